# The image of the virtual machine of `vm` builders: kernel, first programs, and a root of pinned Debian packages. `request` is
# as for default.nix; its `machine` names the kernel's package and those of the root.
{ request }:
let
  asked = builtins.fromJSON (builtins.readFile request);
  inherit (asked) system;
  fixed = import ./fixed.nix { inherit system; };
  busybox = fixed.output asked.busybox;
  debian = import ./debian.nix { inherit system fixed busybox; inherit (asked) packages; };
  text = import ./text.nix;
  plain = builtins.unsafeDiscardStringContext;

  toolchain = debian {
    name = "machine";
    toolchain = { inherit (asked.machine) packages; };
  };
  image = toolchain.run {
    script = ./machine-image.sh;
    attributes = {
      name = "machine-image";
      tallyKind = "machine";
    };
    variables = {
      kernel = "${fixed.output (debian.package "machine" asked.machine.kernel)}";
      inherit busybox;
      packages = "${toolchain.root}";
      start = text ./machine-start.sh;
      run = text ./machine-run.sh;
    };
  };
  files = map (file: asked.packages.${file}) ([ asked.machine.kernel ] ++ asked.machine.packages);
in
{
  drv = plain image.drvPath;
  output = plain image.outPath;
  fixed = map fixed.described ([ asked.busybox ] ++ files);
}
