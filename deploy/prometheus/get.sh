#!/bin/sh
# Puts Debian's prometheus and promtool into .darkroom/tools, unless they are installed. The package
# is unpacked, not installed: no service is set up or started, and no rights are needed.
set -eu
cd "$(dirname "$0")/../.."
tools=.darkroom/tools

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then exit 0; fi
if [ -x $tools/usr/bin/prometheus ] && [ -x $tools/usr/bin/promtool ]; then exit 0; fi

command -v apt-get >/dev/null || {
    echo "install prometheus 2.42 or newer, with promtool" >&2
    exit 1
}
mkdir -p $tools
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"  # apt downloads as a user of its own
fetch() { (cd "$folder" && apt-get download -qq prometheus); }
fetch 2>/dev/null || {
    # what the lists name may be gone, or there are none yet
    if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo -n apt-get update -qq; fi
    fetch
}
dpkg-deb -x "$folder"/prometheus_*.deb $tools
echo "prometheus $(dpkg-deb -f "$folder"/prometheus_*.deb Version) in $tools"
