{
  description = "nixpkgs's interface, as much of it as the nixpkgs toolchain uses, on tools that need no network";

  outputs =
    { self }:
    let
      system = "x86_64-linux";
    in
    {
      legacyPackages.${system} = import self {
        inherit system;
        config = { };
        overlays = [ ];
      };
    };
}
