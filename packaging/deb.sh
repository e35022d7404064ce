#!/usr/bin/env bash
#
# deb.sh BUILD OUT: makes the Debian package of what is built in BUILD, which was configured for /usr, and puts it into OUT.
#
# The package has the binary, its manual pages, the unit and the settings of the service. Its scripts make the user and the directory for the data, start the service on
# a system that systemd runs, and restart it on an upgrade. Removing it keeps settings and data; purging removes both.

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
install -D -m 644 "$here/../LICENSE" "$root/usr/share/doc/edda/copyright"

# The libraries it is linked with, as the packages that have them.
mkdir -p "$work/debian"
printf 'Source: edda\n\nPackage: edda\nArchitecture: any\n' > "$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "root/usr/bin/edda" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

mkdir -p "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: edda
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: The Edda maintainers <edda@localhost>
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
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        if [ -z "$2" ]; then
            systemctl enable --quiet edda.service
        fi
        if systemctl is-enabled --quiet edda.service; then
            systemctl restart edda.service
        fi
    fi
fi
SCRIPT
cat > "$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now edda.service
fi
SCRIPT
cat > "$root/DEBIAN/postrm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -rf /var/lib/edda /etc/edda
    if getent passwd edda >/dev/null; then
        deluser --system --quiet edda || true
    fi
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
SCRIPT
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"

mkdir -p "$out"
dpkg-deb --root-owner-group --build "$root" "$out" | sed 's/^/deb: /'
