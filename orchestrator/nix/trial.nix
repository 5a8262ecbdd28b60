# A build that says what it can see, made of nothing but a shell: `tally doctor` tries the sandbox with it, on
# machines that have fetched nothing yet. All arguments are paths of this machine, as text.
{
  tools,
  system,
  # what the shell and `unshare` are started with: a dynamic loader in `tools`, or nothing for static ones
  loader,
  # a file of the machine that no build may see
  hostFile,
}:
let
  folder = builtins.path {
    path = /. + tools;
    name = "trial-tools";
  };
  started = if loader == "" then [ ] else [ "${folder}/${loader}" "--library-path" "${folder}" ];
  command = started ++ [ "${folder}/sh" "${./trial.sh}" ];
in
derivation {
  name = "trial";
  inherit system hostFile;
  tools = folder;
  start = builtins.concatStringsSep " " started;
  builder = builtins.head command;
  args = builtins.tail command;
}
