# What a build needs of nixpkgs's pkgs/stdenv/generic/setup.sh: PATH, and buildCommand in this very shell.
PATH=
for package in $nativeBuildInputs $initialPath; do
    PATH=$PATH${PATH:+:}$package/bin
done
export PATH
eval "$buildCommand"
