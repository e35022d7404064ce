#!/usr/bin/env bash
#
# deb.sh BUILD OUT: makes the Debian package of what is built in BUILD, which was configured for /usr, and puts it into OUT.
#
# The package has the binary, its manual pages, the unit and the settings of the service. Its scripts make the user and the directory for the data, start the service on
# a system that systemd runs, and restart it on an upgrade. A service that does not start, because a port is taken say, is no failure of the installation: the journal tells of it.
# Removing the package keeps settings and data; purging removes both.
#
# DEBFULLNAME and DEBEMAIL name the maintainer of the package.

set -euo pipefail

build=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

install -D -m 755 "$build/edda" "$root/usr/bin/edda"
strip --strip-unneeded "$root/usr/bin/edda"
version=$("$build/edda" --version | cut -d' ' -f2)
for page in edda.1 edda.conf.5; do
    install -d "$root/usr/share/man/man${page##*.}"
    gzip -9n < "$build/$page" > "$root/usr/share/man/man${page##*.}/$page.gz"
done
install -D -m 644 "$here/edda.service" "$root/lib/systemd/system/edda.service"
install -D -m 644 "$here/edda.conf" "$root/etc/edda/edda.conf"

documents=$root/usr/share/doc/edda
maintainer="${DEBFULLNAME:-The Edda maintainers} <${DEBEMAIL:-edda@localhost}>"
install -d "$documents"
cat > "$documents/copyright" <<'COPYRIGHT'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: edda

Files: *
Copyright: 2026 The Edda maintainers
License: Apache-2.0
 Licensed under the Apache License, Version 2.0, of which Debian has a copy in
 /usr/share/common-licenses/Apache-2.0.
COPYRIGHT
gzip -9n > "$documents/changelog.gz" <<CHANGELOG
edda ($version) unstable; urgency=medium

  * Release $version.

 -- $maintainer  $(date -R -u ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"})
CHANGELOG

# The libraries it is linked with, as the packages that have them.
mkdir -p "$work/debian"
printf 'Source: edda\n\nPackage: edda\nArchitecture: any\n' > "$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "root/usr/bin/edda" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

mkdir -p "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: edda
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: $maintainer
Depends: $depends, adduser
Section: database
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Description: event store, broker and process engine
 Keeps the events of business processes in one log, and gives it to
 existing clients of Kafka, HTTP and Redis.
CONTROL
echo /etc/edda/edda.conf > "$root/DEBIAN/conffiles"

cat > "$root/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if ! getent passwd edda >/dev/null; then
        adduser --system --group --quiet --home /var/lib/edda --no-create-home --gecos Edda edda
    fi
    install -d -o edda -g edda -m 700 /var/lib/edda
    chgrp edda /etc/edda
    # What an administrator has disabled stays so.
    if deb-systemd-helper --quiet was-enabled edda.service; then
        deb-systemd-helper enable edda.service >/dev/null || true
    else
        deb-systemd-helper update-state edda.service >/dev/null || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload || true
        if systemctl is-enabled --quiet edda.service; then
            deb-systemd-invoke restart edda.service >/dev/null || echo 'edda: the service did not start; journalctl -u edda says why' >&2
        fi
    fi
fi
SCRIPT
cat > "$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop edda.service >/dev/null || true
fi
SCRIPT
cat > "$root/DEBIAN/postrm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -rf /var/lib/edda /etc/edda
    deb-systemd-helper purge edda.service >/dev/null || true
    # Its package may have been removed before.
    if getent passwd edda >/dev/null && command -v deluser >/dev/null; then
        deluser --system --quiet edda || true
    fi
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
fi
SCRIPT
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"

mkdir -p "$out"
dpkg-deb --root-owner-group --build "$root" "$out" | sed 's/^/deb: /'
