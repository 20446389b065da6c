#!/bin/sh
# Makes the virtual environments from the lock files and installs the few system packages that are
# missing. Can be run again at any time; what has not changed since the last run costs nothing.
set -eu
cd "$(dirname "$0")/.."
here=$PWD
log=.darkroom/setup.log

fail() {
    echo "set-up: $*" >&2
    exit 1
}

# step TEXT COMMAND...: one line with the seconds it took; the output is shown only if it fails
step() {
    text=$1 && shift
    began=$(date +%s)
    printf 'set-up  %-46s ' "$text"
    if "$@" >"$log" 2>&1; then
        printf '%4d s\n' $(($(date +%s) - began))
    else
        printf 'failed\n'
        tail -n 20 "$log" >&2
        fail "$text failed; run it again when the cause is gone (all of the output: $log)"
    fi
}

# package NAME: install it with the system's package manager; false if that is not ours to do
package() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        return 1
    fi
    step "$1, with apt-get" $as_root sh -c 'apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$0"' "$1"
}

# environment FOLDER: make a virtual environment unless there is a whole one, made at this place
environment() {
    if [ -f "$1/stamp" ] && ! grep -qxF "$here" "$1/stamp" ||
        ! "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        step "$1, a virtual environment" "$python" -m venv --clear "$1"
    fi
}

# current FOLDER LOCK...: whether the environment was made here from exactly these lock files
current() {
    folder=$1 && shift
    [ -f "$folder/stamp" ] && [ "$(state "$@")" = "$(cat "$folder/stamp")" ]
}

state() {
    echo "$here"
    sha256sum "$@"
}

install() {
    environment=$1 && shift
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes "$@"
}

choose_python() {
    for python in "${PYTHON-}" python3.11 python3 python3.12; do
        [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null && break
        python=
    done
    [ -n "$python" ] || fail "Darkroom needs Python 3.11 or newer; install it, or name it: PYTHON=..."
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package "python$version-venv" || fail "install the package python$version-venv, then try again"
    fi
}

mkdir -p .darkroom

main_lock=requirements/dev.lock
if ! current .venv $main_lock; then
    choose_python
    environment .venv
    step '.venv, what runs, builds and tests Darkroom' install .venv -r $main_lock
    printf '#!/bin/sh\nexec "%s/darkroom" "$@"\n' "$here" >.venv/bin/darkroom
    chmod +x .venv/bin/darkroom
    state $main_lock >.venv/stamp
fi

triton_locks='requirements/triton.lock requirements/triton-server.lock'
case "$(uname -s)-$(uname -m)" in
Linux-x86_64 | Linux-aarch64)
    if ! current .venv-triton $triton_locks; then
        choose_python
        environment .venv-triton
        step '.venv-triton, what its models need' install .venv-triton -r requirements/triton.lock
        step '.venv-triton, the server' \
            install .venv-triton --no-deps -r requirements/triton-server.lock
        state $triton_locks >.venv-triton/stamp
    fi
    if [ ! -f .venv-triton/fits ]; then
        reason=$(.venv/bin/python -c 'import pathlib, triton_models.wheel as wheel
print(wheel.unfit(pathlib.Path(".venv-triton/bin/python")) or "")')
        case $reason in
        '') touch .venv-triton/fits ;;
        *libpython*)
            library=$(echo "$reason" | grep -o 'libpython3\.[0-9]*' | head -n 1)
            if (package "$library"); then
                touch .venv-triton/fits
            else
                echo "set-up: $reason; until then the services run the models" >&2
            fi
            ;;
        *) echo "set-up: $reason; the services run the models" >&2 ;;
        esac
    fi
    ;;
esac

if ! PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nats-server >/dev/null; then
    package nats-server || fail "install nats-server 2.9 or newer (Debian: apt-get install nats-server)"
    # only the program is wanted, not the server that Debian starts with it
    [ ! -d /run/systemd/system ] || $as_root systemctl disable --quiet --now nats-server
fi

# what cards are printed with: fonts for the scripts that names are written in
absent=$(.venv/bin/python -c 'from services.qr.drawing.fonts import absent_packages as absent
print(*absent())')
for fonts in $absent; do
    package "$fonts" || fail "install the package $fonts, which cards are printed with"
done
# what the tests look at sheets with
for program in pdftoppm:poppler-utils qpdf:qpdf; do
    if ! command -v "${program%:*}" >/dev/null; then
        package "${program#*:}" || fail "install the package ${program#*:}, which the tests need"
    fi
done
