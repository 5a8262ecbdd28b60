# The image of the virtual machine of `vm` builders: kernel, first programs, and a root of pinned Debian packages. `request` is
# as for default.nix; its `machine` names the kernel's package and those of the root. For a machine that is not of
# this system it has its busybox, too, and the packages of a root to pack the image in: no program of the machine runs here.
{ request }:
let
  asked = builtins.fromJSON (builtins.readFile request);
  inherit (asked) system;
  fixed = import ./fixed.nix { inherit system; };
  busybox = fixed.output asked.busybox;
  text = import ./text.nix;
  plain = builtins.unsafeDiscardStringContext;

  rootOf = name: packages: {
    inherit name;
    toolchain = {
      from = "debian";
      inherit packages;
    };
  };
  machine = rootOf "machine" asked.machine.packages;
  packers = rootOf "packers" (asked.machine.packers or asked.machine.packages);
  inside = if asked.machine ? busybox then asked.packages.${asked.machine.busybox} else asked.busybox;
  debian = import ./debian.nix {
    inherit system fixed busybox;
    inherit (asked) packages;
    recipes = { inherit machine packers; };
  };
  image = (debian packers).run {
    script = text [ ./machine-image.sh ];
    attributes = {
      name = "machine-image";
      tallyKind = "machine";
    };
    variables = {
      kernel = "${(debian.package "machine" asked.machine.kernel).output}";
      busybox = fixed.output inside;
      packages = "${(debian machine).root}";
      start = text [ ./machine-start.sh ];
      run = text [ ./machine-run.sh ];
    };
  };
in
{
  drv = plain image.drvPath;
  output = plain image.outPath;
  fixed = map fixed.described ([ asked.busybox ] ++ builtins.attrValues asked.packages);
}
