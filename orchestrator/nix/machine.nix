# The image of the virtual machine of `vm` builders: kernel, first programs, and a root of pinned Debian packages. `request` is
# as for default.nix; its `machine` names the kernel's package and those of the root.
{ request }:
let
  asked = builtins.fromJSON (builtins.readFile request);
  inherit (asked) system;
  fixed = import ./fixed.nix { inherit system; };
  busybox = fixed.output asked.busybox;
  text = import ./text.nix;
  plain = builtins.unsafeDiscardStringContext;

  machine = {
    name = "machine";
    toolchain = {
      from = "debian";
      inherit (asked.machine) packages;
    };
  };
  debian = import ./debian.nix {
    inherit system fixed busybox;
    inherit (asked) packages;
    recipes = { inherit machine; };
  };
  toolchain = debian machine;
  image = toolchain.run {
    script = text [ ./machine-image.sh ];
    attributes = {
      name = "machine-image";
      tallyKind = "machine";
    };
    variables = {
      kernel = "${(debian.package "machine" asked.machine.kernel).output}";
      inherit busybox;
      packages = "${toolchain.root}";
      start = text [ ./machine-start.sh ];
      run = text [ ./machine-run.sh ];
    };
  };
  files = map (file: asked.packages.${file}) ([ asked.machine.kernel ] ++ asked.machine.packages);
in
{
  drv = plain image.drvPath;
  output = plain image.outPath;
  fixed = map fixed.described ([ asked.busybox ] ++ files);
}
