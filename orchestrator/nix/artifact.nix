# The artifact: the file that users download, made from a package's default output by a derivation of its own.
{ system }:
let
  text = import ./text.nix;
  scripts = {
    file = text [ ./artifact-file.sh ];
    nar = text [ ./artifact-nar.sh ];
    oci = text [ ./artifact-oci-root.sh ./artifact-oci.sh ];
  };
  archive = text [ ./artifact-tar.sh ];
in
{ recipe, toolchain, default }:
let
  inherit (recipe) artifact;
  label = recipe.name + (if recipe.version == null then "" else "-${recipe.version}");
  ofOutput = if recipe ? suffix then "-${recipe.suffix}" else "";
  stem = "${label}${ofOutput}-${system}";

  # a wheel's own name says what it is (PEP 427); other files keep their suffix
  baseName = baseNameOf artifact.path;
  double = builtins.match ".+(\\.tar\\.[A-Za-z0-9]+)" baseName;
  single = builtins.match ".+(\\.[A-Za-z][A-Za-z0-9]*)" baseName;
  suffix = if double != null then double else single;
  ofFile =
    if builtins.match ".+\\.whl" baseName != null then
      baseName
    else
      stem + (if suffix == null then "" else builtins.head suffix);
  fileName =
    {
      file = ofFile;
      oci = "${stem}.oci.tar";
    }
    .${artifact.format} or "${stem}.${artifact.format}";


  # as Go's GOARCH calls them (OCI image specification, "Image Configuration")
  architectures = {
    x86_64-linux = "amd64";
    aarch64-linux = "arm64";
    i686-linux = "386";
    armv7l-linux = "arm";
    riscv64-linux = "riscv64";
    powerpc64le-linux = "ppc64le";
    s390x-linux = "s390x";
  };
  isImage = artifact.format == "oci";
  image = {
    architecture = architectures.${system};
    label = artifact.image.reference;
    # JSON text, cut where the package's path belongs
    settings = builtins.concatStringsSep "${default}" artifact.image.configuration;
  }
  // (if artifact.image ? root then { inherit (artifact.image) root; } else { })
  // (if hasBase then { base = "${toolchain.root}"; } else { });
  hasBase = isImage && artifact.image ? base;
in
{
  inherit fileName;
  derivation = toolchain.run {
    script = scripts.${artifact.format} or archive;
    attributes = {
      name = fileName;
      tallyKind = "artifact";
      tallyName = recipe.name;
      tallyFileName = fileName;
      tallyFormat = artifact.format;
    }
    // (if recipe.version == null then { } else { tallyVersion = recipe.version; })
    // (if isImage then { exportReferencesGraph = [ "closure" default ]; } else { })
    // (if hasBase then { tallyBase = toolchain.root; } else { });
    variables = {
      package = "${default}";
      inherit label;
      inherit (artifact) format;
      path = if artifact.path == null then "" else artifact.path;
    }
    // (if isImage then image else { });
  };
}
