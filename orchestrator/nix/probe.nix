# What a build on a builder can see, as JSON: the proof that its sandbox holds, or does not. `request` is as for default.nix; of it,
# the system and busybox count.
{ request }:
let
  asked = builtins.fromJSON (builtins.readFile request);
  inherit (asked) system;
  fixed = import ./fixed.nix { inherit system; };
  busybox = "${fixed.output asked.busybox}/busybox";
  plain = builtins.unsafeDiscardStringContext;

  probe = derivation {
    name = "sandbox-probe";
    inherit system;
    builder = busybox;
    args = [ "sh" (import ./text.nix [ ./probe.sh ]) ];
    # one of these is on every Linux host, and in no sandbox
    hostFiles = asked.hostFiles or [
      "/etc/machine-id" "/etc/os-release" "/etc/hostname" "/etc/resolv.conf" "/etc/shadow" "/etc/ssl"
      "/usr/bin/env" "/bin/ls" "/boot" "/home" "/root" "/var" "/sys/class/net" "/run"
    ];
    tallyKind = "probe";
    # no store has this run's probe, so that it is built and never remembered
    inherit (asked) nonce;
  };
in
{
  drv = plain probe.drvPath;
  output = plain probe.outPath;
  fixed = [ (fixed.described asked.busybox) ];
}
