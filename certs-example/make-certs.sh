#!/bin/bash
# Makes a CA, a server certificate and client certificates for mutual TLS, with openssl. It never
# overwrites a file, and keys are readable by their owner only. See README.md beside it.
set -euo pipefail
umask 077

usage() {
    cat <<'TEXT'
make-certs.sh [--dir DIR] COMMAND [options]

  ca                      make the CA: DIR/ca.pem, DIR/ca-key.pem
  server NAME|IP...       make the server's certificate for these names and addresses:
                          DIR/server-cert.pem, DIR/server-key.pem
  client NAME             make a client's folder, as DOCKER_CERT_PATH wants it:
                          DIR/clients/NAME/{ca,cert,key}.pem; a copy of the certificate stays
                          in DIR/issued, so the folder may be moved to the client
  revoke NAME             revoke that client, and make DIR/crl.pem anew
  crl                     make DIR/crl.pem anew, before it expires

  --dir DIR    where the files are (default: certs, in the current folder)
  --days N     how long it is valid (ca 3650, server 825, client 365, revoke and crl 30)
  --ou TEXT    client: its organizational unit, for `cert_ou` of a policy
  --cn TEXT    ca, server: another common name
  --rsa        a 3072-bit RSA key instead of ECDSA P-256
  -h, --help   this text
TEXT
}

fail() {
    echo "make-certs.sh: $*" >&2
    exit 1
}

dir=certs days= ou= cn= key_type=ec command=
words=()
while [ $# -gt 0 ]; do
    case $1 in
    --dir | --days | --ou | --cn)
        [ $# -gt 1 ] || fail "$1 wants a value"
        printf -v "${1#--}" %s "$2"
        shift
        ;;
    --rsa) key_type=rsa ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) fail "unknown option $1; see --help" ;;
    *) if [ -z "$command" ]; then command=$1; else words+=("$1"); fi ;;
    esac
    shift
done

command -v openssl >/dev/null || fail "openssl is not installed"
[[ $days =~ ^[0-9]*$ ]] || fail "--days wants a number, not $days"
[[ $ou =~ ^[A-Za-z0-9\ ._@-]*$ ]] || fail "--ou takes letters, digits, blanks and ._@-"
[[ $cn =~ ^[A-Za-z0-9\ ._@-]*$ ]] || fail "--cn takes letters, digits, blanks and ._@-"

new() {
    for file in "$@"; do
        [ ! -e "$file" ] || fail "$file exists already; it is not overwritten"
    done
}

have_ca() {
    [ -s "$dir/ca.pem" ] && [ -s "$dir/ca-key.pem" ] || fail "there is no CA in $dir; make it first: make-certs.sh --dir $dir ca"
}

make_key() {
    if [ $key_type = rsa ]; then
        openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$1"
    else
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve -out "$1"
    fi
}

# sign KEY CERT SUBJECT DAYS: a certificate of the CA; its extensions come by standard input.
sign() {
    local extensions
    extensions=$(cat)
    openssl req -new -key "$1" -subj "$3" -utf8 |
        openssl x509 -req -in /dev/stdin -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -sha256 -days "$4" \
            -set_serial "0x$(openssl rand -hex 16 | sed 's/^./1/')" -out "$2" \
            -extfile <(printf '%s\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n' "$extensions") 2>/dev/null ||
        { rm -f "$1" "$2"; fail "openssl could not make $2"; }
}

alt_names() {
    local name list=
    for name in "${words[@]}"; do
        if [[ $name =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ || $name =~ ^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*$ ]]; then
            list+=",IP:$name"
        elif [[ $name =~ ^[A-Za-z0-9*]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]]; then
            list+=",DNS:$name"
        else
            fail "$name is neither a host name nor an address"
        fi
    done
    echo "${list#,}"
}

# The CA's database is needed for revocations only, and is made then.
authority() {
    [ -e "$dir/revoked.txt" ] || : >"$dir/revoked.txt"
    [ -e "$dir/crl-number" ] || echo 01 >"$dir/crl-number"
    openssl ca -batch -config <(
        cat <<TEXT
[ca]
default_ca = here
[here]
database = $dir/revoked.txt
crlnumber = $dir/crl-number
certificate = $dir/ca.pem
private_key = $dir/ca-key.pem
default_md = sha256
unique_subject = no
default_crl_days = ${days:-30}
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid:always
TEXT
    ) "$@" 2>/dev/null
}

make_crl() {
    authority -gencrl -out "$dir/crl.pem.new" || fail "openssl could not make $dir/crl.pem"
    mv "$dir/crl.pem.new" "$dir/crl.pem"
    echo "$dir/crl.pem"
}

one_word() {
    [ ${#words[@]} -eq 1 ] || fail "$command wants one name"
    [[ ${words[0]} =~ ^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$ ]] || fail "a client's name has letters, digits and ._@-, not ${words[0]}"
}

case $command in
ca)
    [ ${#words[@]} -eq 0 ] || fail "ca wants no name; see --cn"
    mkdir -p "$dir"
    new "$dir/ca.pem" "$dir/ca-key.pem"
    make_key "$dir/ca-key.pem"
    openssl req -x509 -new -key "$dir/ca-key.pem" -sha256 -days "${days:-3650}" -subj "/CN=${cn:-docker CA}" \
        -utf8 -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') -out "$dir/ca.pem" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -addext subjectKeyIdentifier=hash || fail "openssl could not make $dir/ca.pem"
    echo "$dir/ca.pem $dir/ca-key.pem"
    ;;
server)
    [ ${#words[@]} -gt 0 ] || fail "server wants the names and addresses by which clients reach it"
    have_ca
    names=$(alt_names)
    new "$dir/server-cert.pem" "$dir/server-key.pem"
    make_key "$dir/server-key.pem"
    sign "$dir/server-key.pem" "$dir/server-cert.pem" "/CN=${cn:-${words[0]}}" "${days:-825}" \
        <<<"extendedKeyUsage=serverAuth"$'\n'"subjectAltName=$names"
    echo "$dir/server-cert.pem $dir/server-key.pem"
    ;;
client)
    one_word
    have_ca
    folder=$dir/clients/${words[0]}
    new "$folder" "$dir/issued/${words[0]}.pem"
    mkdir -p "$folder" "$dir/issued"
    make_key "$folder/key.pem"
    sign "$folder/key.pem" "$folder/cert.pem" "${ou:+/OU=$ou}/CN=${words[0]}" "${days:-365}" \
        <<<"extendedKeyUsage=clientAuth"
    cp "$dir/ca.pem" "$folder/ca.pem"
    cp "$folder/cert.pem" "$dir/issued/${words[0]}.pem"
    echo "$folder"
    ;;
revoke)
    one_word
    have_ca
    issued=$dir/issued/${words[0]}.pem
    [ -s "$issued" ] || fail "there is no client ${words[0]} in $dir/issued, or it is revoked already"
    authority -revoke "$issued" || fail "openssl could not revoke $issued"
    mv "$issued" "$dir/issued/${words[0]}.revoked-$(openssl x509 -in "$issued" -noout -serial | cut -d= -f2)"
    make_crl
    ;;
crl)
    have_ca
    make_crl
    ;;
"")
    usage >&2
    exit 1
    ;;
*) fail "unknown command $command; see --help" ;;
esac
