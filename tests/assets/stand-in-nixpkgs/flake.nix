# As much of nixpkgs's interface as Tallystick's flake.nix touches: every package is a small derivation that
# records what it was asked for. Nothing of it can be built; evaluating needs no network.
{
  description = "A stand-in for nixpkgs";

  outputs =
    { self }:
    let
      system = "x86_64-linux";
      made =
        name: asked:
        builtins.derivation {
          inherit name system;
          builder = "/not-to-be-built";
          asked = builtins.toJSON (builtins.removeAttrs asked [ "src" ]);
        };
      pythonNames = [
        "annotated-doc" "attrs" "cryptography" "flit-core" "hypothesis" "iso8601" "license-expression" "mypy" "packageurl-python" "packaging" "pathspec"
        "pydantic" "pytest" "pytestCheckHook" "python-dateutil" "rich" "securesystemslib" "shellingham"
        "semantic-version" "semver" "sigstore" "spdx-tools" "structlog" "urllib3" "zstandard"
      ];
      package = name: made name { };
      python = builtins.listToAttrs (map (name: { inherit name; value = package name; }) pythonNames) // {
        buildPythonPackage = asked: made "${asked.pname}-${asked.version}" asked;
        buildPythonApplication = asked: made "${asked.pname}-${asked.version}" asked;
        fetchPypi = asked: made "${asked.pname}-${asked.version}.whl" asked;
      };
    in
    {
      legacyPackages.${system} = {
        python3Packages = python;
        lib = {
          makeBinPath = builtins.concatStringsSep ":";
          licenses.asl20 = "Apache-2.0";
        };
        mkShell = made "shell";
        runCommand = name: asked: script: made name (asked // { inherit script; });
        autoPatchelfHook = package "auto-patchelf";
        cosign = package "cosign";
        gitMinimal = package "git";
        gnumake = package "make";
        nix = package "nix";
        ruff = package "ruff";
        stdenv.cc.cc.lib = package "libstdc++";
      };
    };
}
