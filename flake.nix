{
  description = "Tallystick: build on independent builders, compare every bit, sign only what agrees";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      system = "x86_64-linux"; # what the recipes here are written for
      pkgs = nixpkgs.legacyPackages.${system};
      lib = pkgs.lib;
      python = pkgs.python3Packages;

      # Not in nixpkgs, or in a version that does not fit: taken as wheels, by the same hashes as in requirements/dev.txt (a test compares them).
      wheel =
        {
          pname, version, sha256,
          dependencies ? [ ],
          tags ? { dist = "py3"; python = "py3"; }, # of the file's name: which Python, ABI and platform it is for
          nativeBuildInputs ? [ ],
          buildInputs ? [ ]
        }:
        python.buildPythonPackage {
          inherit pname version dependencies nativeBuildInputs buildInputs;
          format = "wheel";
          src = python.fetchPypi ({ inherit pname version sha256; format = "wheel"; } // tags);
        };
      cel-expr-python = wheel {
        pname = "cel_expr_python";
        version = "0.1.3";
        sha256 = "aa80370ed20cee201a7671634f9c58dc17fd93f15addf680d7e0393969bc51b3";
        # compiled: for the Python of the nixpkgs that flake.lock pins
        tags = {
          dist = "cp313";
          python = "cp313";
          abi = "cp313";
          platform = "manylinux_2_27_x86_64.manylinux_2_28_x86_64";
        };
        nativeBuildInputs = [ pkgs.autoPatchelfHook ];
        buildInputs = [ pkgs.stdenv.cc.cc.lib ];
      };
      in-toto = wheel {
        pname = "in_toto";
        version = "3.1.0";
        sha256 = "fe8c69a8dae32690d116bb8112e7d6da53bbad3b9a4057ff8d43f1a5a90ee2d4";
        dependencies = with python; [ attrs iso8601 pathspec python-dateutil securesystemslib ];
      };
      spdx-python-model = wheel {
        pname = "spdx_python_model";
        version = "0.0.6";
        sha256 = "dd793ce0176e53af05f9c0d8624196f38da45bc263ccee5ee532b1812b3113e2";
      };
      typer = wheel {
        pname = "typer";
        version = "0.28.0";
        sha256 = "afd18929180b706c5e9a239f53c3c8136903553c0c2d460598bbaa924191d4ab";
        dependencies = with python; [ annotated-doc rich shellingham ];
      };

      univers = wheel {
        pname = "univers";
        version = "32.0.1";
        sha256 = "50a574ff2321e31e1eba7aa586bf63a9558d91c69c70316bf26c75e1b122499b";
        dependencies = with python; [ attrs packaging semantic-version semver ];
      };

      project = (builtins.fromTOML (builtins.readFile ./pyproject.toml)).project;
      named = name: { inherit cel-expr-python in-toto spdx-python-model typer univers; }.${name} or python.${name};
      # "zstandard >=0.23" -> python.zstandard: the list stands in pyproject.toml alone
      dependencies = map (each: named (builtins.head (builtins.match "([A-Za-z0-9_-]+).*" each))) project.dependencies;

      tallystick = python.buildPythonApplication {
        pname = project.name;
        version = builtins.head (
          builtins.match ''.*__version__ = "([^"]+)".*'' (builtins.readFile ./orchestrator/__init__.py)
        );
        pyproject = true;
        src = self;
        build-system = [ python.flit-core ];
        inherit dependencies;
        nativeCheckInputs = [ python.pytestCheckHook python.hypothesis pkgs.gitMinimal pkgs.openssh ];
        pytestFlags = [ "tests/unit" ]; # the others run Nix, which cannot run inside a Nix build
        # The user's own Nix and git come first; these are for where there are none.
        makeWrapperArgs = [ "--suffix PATH : ${lib.makeBinPath [ pkgs.nix pkgs.gitMinimal ]}" ];
        meta = {
          description = project.description;
          license = lib.licenses.asl20;
          mainProgram = "tally";
          platforms = [ system ];
        };
      };
    in
    {
      packages.${system} = {
        default = tallystick;
        inherit tallystick;
      };

      apps.${system}.default = {
        type = "app";
        program = "${tallystick}/bin/tally";
      };

      devShells.${system}.default = pkgs.mkShell {
        packages = dependencies ++ [
          python.flit-core
          python.hypothesis
          python.mypy
          python.pytest
          pkgs.cosign
          pkgs.gitMinimal
          pkgs.gnumake
          pkgs.nix
          pkgs.ruff
        ];
      };

      checks.${system} = {
        inherit tallystick; # built, with its unit tests
        style = pkgs.runCommand "tallystick-style" { nativeBuildInputs = [ pkgs.ruff ]; } ''
          cd ${self}
          ruff check --no-cache
          ruff format --check --no-cache
          touch $out
        '';
      };
    };
}
