# Variables for a script, as attributes of its derivation under a prefix that nothing else uses: a variable that is called
# `PATH` or `builder` then means nothing to Nix or to the shell that starts the script.
variables:
builtins.listToAttrs (
  map (name: {
    name = "tallyVariable_${name}";
    value = variables.${name};
  }) (builtins.attrNames variables)
)
