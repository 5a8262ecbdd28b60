# A file of its own: later versions of Nix refuse such a path where pure evaluation reads it, used or not.
toString ~/.
