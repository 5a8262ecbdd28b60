# A chain of derivations whose middle one can be made to differ: `base` -> `middle` -> `top` (-> `absorbing`).
{
  script ? "echo middle > $out", # of the middle one: what may not reproduce
  wait ? "", # what each does besides, as `sleep 1`
  width ? 0, # so many more inputs of `wide`, each a derivation of its own
  system ? builtins.currentSystem,
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
  made =
    name: text: inputs:
    derivation {
      inherit name system inputs;
      builder = "${busybox}/busybox";
      # a shell's own commands, and `date` and `sleep` of busybox by its name
      args = [ "sh" "-euc" "b=${busybox}/busybox\n${wait}\n${text}" ];
    };
in
rec {
  base = made "base-1.0" "echo base > $out" [ ];
  middle = made "middle-1.0" script [ base ];
  top = made "top-1.0" "read line < ${middle}; echo \"top of $line\" > $out" [ middle ];
  second = made "second-1.0" "read line < ${middle}; read own < /proc/sys/kernel/random/uuid; echo $line $own > $out" [ middle ];
  absorbing = made "absorbing-1.0" "echo nothing of it > $out" [ middle ];
  wide = made "wide-1.0" "echo wide > $out" (
    builtins.genList (n: made "d${toString n}-1.0" "echo ${toString n} > $out" [ base ]) width
  );
}
