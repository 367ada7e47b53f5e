# shellcheck shell=bash
# Installing what contrib/ci/packages lists. Sourced by contrib/test and contrib/quickstart.

packages_of() { # GROUP...: the packages of these groups
    local group
    for group in "$@"; do
        sed -n "s/^$group //p" "$TOP/contrib/ci/packages"
    done | tr ' ' '\n' | sort -u
}

packages_missing() { # GROUP...: those that are not installed
    # dpkg-query complains about names it never saw: they are missing as well.
    comm -13 \
        <(packages_of "$@" | xargs dpkg-query -W -f '${Package} ${Status}\n' 2>/dev/null |
            sed -n 's/ install ok installed$//p' | sort -u) \
        <(packages_of "$@")
}

is_debian() { # whether this is Debian 12 or later, or made from it
    command -v apt-get dpkg-query >/dev/null || return 1
    local id='' version=''
    id=$(. /etc/os-release && echo "${ID:-}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-99}")
    [ "$id" != debian ] || [ "${version%%.*}" -ge 12 ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

packages_install() { # GROUP...: installs what is missing; quick when nothing is
    local missing
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "installing ${missing[*]}"
    # The package lists may be older than the archive.
    as_root apt-get -qq update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
        "${missing[@]}" </dev/null
}
