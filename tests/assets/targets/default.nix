# Packages of the tests that need no nixpkgs: their builder executable is a static busybox, a fixed output.
{
  who ? "world",
  system ? builtins.currentSystem,
  address ? "http://127.0.0.1:1",
  one-sha256 ? "0000000000000000000000000000000000000000000000000000000000000000",
  two-sha512 ? "",
  tree-sha256 ? "",
  ...
}:
let
  pinned = builtins.fromJSON (builtins.readFile ./busybox.json);
  busybox = derivation {
    inherit (pinned) name;
    inherit system;
    builder = "/this-is-put-into-the-store-by-tally";
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = pinned.sha256;
  };
  package =
    name: script: more:
    derivation (
      {
        inherit name system;
        builder = "${busybox}/busybox";
        args = [ "sh" "-euc" "PATH=${tools}\n${script}" ];
      }
      // more
    );
  # busybox under the names of what it can do
  tools = derivation {
    name = "tools";
    inherit system;
    builder = "${busybox}/busybox";
    args = [ "sh" "-euc" "${busybox}/busybox mkdir $out; ${busybox}/busybox --install -s $out" ];
  };
  # what nixpkgs's fetchCargoVendor leaves behind, made here
  crates =
    package "two-2.0-vendor-staging" "mkdir -p $out/tarballs; printf %s \"$lock\" > $out/Cargo.lock" {
      lock = builtins.readFile ./Cargo.lock;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
      outputHash = "a5b2776c1a2c915f2dbe430349a3ba9a0b2ca69d4d804b1342a752714e21d06d";
    };
  about = {
    description = "Says hello";
    homepage = "https://example.org/hello";
  };
  place = builtins.unsafeGetAttrPos "description" about;
in
rec {
  hello =
    package "hello-1.0" "mkdir -p $out/bin; cp $src $out/bin/hello; chmod 755 $out/bin/hello; echo ${who} > $out/who" {
      src = ./hello.sh;
    }
    // {
      meta = {
        inherit (about) description homepage;
        license = {
          spdxId = "MIT";
        };
        # as nixpkgs tells it, and what may be wrong in it
        position = "${place.file}:${toString place.line}";
        identifiers.v1 = {
          possibleCPEs = [
            { cpe = "cpe:2.3:a:gnu:hello:1.0:*:*:*:*:*:*:*"; }
            { cpe = "cpe:2.3:a:gnu:hello+:1.0:*:*:*:*:*:*:*"; }
            { cpe = "cpe:2.3:a:gnu:hello:1:0:*:*:*:*:*:*:*"; }
            { cpe = throw "unknown"; }
            "none"
          ];
        };
      };
    };

  two =
    package "two-2.0" "mkdir $bin $doc; echo tool > $bin/tool; echo page > $doc/page" {
      outputs = [ "doc" "bin" ];
      pname = "two";
      version = "2.0";
      cargoDeps = crates;
    }
    // {
      meta.outputsToInstall = [ "bin" ];
    };

  # as nixpkgs has `two.doc`
  two-doc = two // {
    outputName = "doc";
    outputSpecified = true;
  };

  structured = package "structured-1.0" ''
    out=$(sed 's/.*"outputs":{"out":"\([^"]*\)".*/\1/' .attrs.json)
    mkdir $out
    echo structured > $out/file
  '' { __structuredAttrs = true; };

  random = package "random-1.0" "cat /proc/sys/kernel/random/uuid > $out" { };

  # two files from an address: one that Tallystick fetches itself, one that only Nix can check
  fetched =
    let
      file =
        name: more:
        derivation (
          {
            inherit name;
            url = "${address}/${name}";
            outputHashMode = "flat";
          }
          // more
        );
      one = file "one" {
        inherit system;
        builder = "/this-is-fetched-by-tally";
        outputHashAlgo = "sha256";
        outputHash = one-sha256;
      };
      two = file "two" {
        system = "builtin";
        builder = "builtin:fetchurl";
        outputHashAlgo = "sha512";
        outputHash = two-sha512;
        executable = "";
        unpack = "";
      };
    in
    package "fetched-1.0" "cat ${one} ${two} > $out" { };

  # a folder that evaluation itself fetches
  pinned = package "pinned-1.0" "cp $src/file $out" {
    src = builtins.fetchTarball {
      url = "${address}/tree.tar.gz";
      sha256 = tree-sha256;
    };
  };

  bad = {
    fixed = busybox;
    content-addressed = package "content-addressed" "echo > $out" {
      __contentAddressed = true;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
    };
    on-content-addressed = package "on-content-addressed" "cp $in $out" { "in" = bad.content-addressed; };
    elsewhere = package "elsewhere" "echo > $out" { system = "powerpc64-linux"; };
    broken = throw "Package broken-1.0 is marked as broken, refusing to evaluate.";
    infinite = let again = again + 1; in again;
    imported = import (package "imported" "echo 1 > $out" { });
    machines = import <nixpkgs> { };
    outside = builtins.readFile /etc/hostname;
    fetched = package (builtins.readFile "${builtins.fetchTarball "${address}/tree.tar.gz"}/file") "" { };
    cloned = builtins.readFile "${builtins.fetchGit "${address}/repository"}/file";
    read = builtins.readFile "${builtins.fetchTree { type = "path"; path = "/etc"; }}/hostname";
    long = package "${builtins.concatStringsSep "" (builtins.genList (_: "x") 195)}-1" "echo > $out" { };
    placed = package "placed" "echo > $out" { where = toString ./.; };
    hashed = package "hashed" "echo > $out" { where = builtins.hashString "sha256" (toString ./.); };
    length = package "length" "echo > $out" { where = builtins.stringLength (toString ./.); };
    home = package "home" "echo > $out" { where = import ./home.nix; };
    library = package "library" "echo > $out" { where = toString <tally>; };
    above = package "above" "echo > $out" {
      where = builtins.head (builtins.match "(/[^/]*).*" (toString ./.));
    };
    given = package "given" "echo > $out" { where = who; };
    built = package "built" "echo > $out" {
      where = builtins.appendContext who { ${who} = { path = true; }; };
    };
    number = 7;
    misspelt = builtins.curentSystem;
  };
}
