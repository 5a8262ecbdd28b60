# The certificates that pip reads when it starts, offline too, where Debian's own are its roots: since Debian 13. Follows
# debian-root.sh, which runs no package's postinst.
cd "$out"
mkdir -p etc/ssl/certs
cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt
