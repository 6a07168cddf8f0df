# shellcheck shell=bash
# Sourced by the other scripts: installs Debian packages that are missing, and only those.

# install_packages <package>...: quiet; explains itself when it cannot.
install_packages() {
  local package missing=() as_root=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return 0

  if ! command -v apt-get >/dev/null; then
    echo "this script installs packages with apt-get, which is not here" >&2
    echo "next: install the equivalents of: ${missing[*]}" >&2
    return 1
  fi
  if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
      echo "packages are missing, and this user is neither root nor has sudo" >&2
      echo "next, as root: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -qq -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "could not install: ${missing[*]}" >&2
    echo "next: check the network and /etc/apt/sources.list, then run this again" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
