/* Help for one command; see help.h. */
#include "help.h"

#include "base.h"

// clang-format off
static const struct {
    const char *command;
    const char *text;
} texts[] = {
    {"serve",
     "Exit status\n"
     "  0  stopped by TERM or INT\n"
     "  1  it could not start: policy, certificates, addresses\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden serve --policy ci.json --host unix:///run/sockwarden/ci.sock\n"},
    {"check",
     "Every error and warning goes to standard error as FILE:LINE:COLUMN: sentence. The policy - is\n"
     "standard input.\n"
     "\n"
     "Options\n"
     "  --host-root PATH|none  where the folders of containers.binds are looked at; /\n"
     "  --key-dir PATH         the keys that images.signed names have to be there, and good; without\n"
     "                         it they are not looked at\n"
     "\n"
     "Exit status\n"
     "  0  all are valid; warnings do not count\n"
     "  1  one has an error, or cannot be read\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden check --key-dir /etc/sockwarden/keys /etc/sockwarden/*.json\n"},
    {"explain",
     "Prints one JSON object: decision, status, operation, client, role, reason, field, value, rule\n"
     "(the key that decided) and allow_with (what would allow it). Nothing is sent anywhere.\n"
     "\n"
     "Options\n"
     "  --policy FILE       the policy; without it the built-in roles are what there is, or what the\n"
     "                      variables of a docker-socket-proxy let through\n"
     "  --role NAME         this role decides, whoever asks\n"
     "  --facts FILE        what the daemon says of existing objects, as `docker inspect` prints it;\n"
     "                      more than once\n"
     "  --uid N, --gid N    who asks, on a Unix socket\n"
     "  --address IP        who asks, by TCP\n"
     "  --listener ADDRESS  where, as given to --host\n"
     "  --cert-cn NAME, --cert-ou NAME, --cert-spki DIGEST\n"
     "                      what a verified certificate says\n"
     "  --cert-san NAME     the same, more than once: DNS:name, URI:..., IP:address, email:...\n"
     "  --container-name NAME, --container-image IMAGE, --container-label KEY=VALUE (more than once),\n"
     "  --compose-project NAME, --compose-service NAME\n"
     "                      the container that asks, on a Unix socket\n"
     "\n"
     "Exit status\n"
     "  0  allowed\n"
     "  1  the question is wrong: policy, role or FILE cannot be read\n"
     "  2  usage\n"
     "  3  refused, as a malformed request is, too; or facts are needed\n"
     "\n"
     "Example\n"
     "  printf 'GET /v1.48/info HTTP/1.1\\r\\nHost: docker\\r\\n\\r\\n' | sockwarden explain --role read-only\n"},
    {"test",
     "A case that fails is one line, FILE:LINE: NAME: expected ..., got ...; the last line is\n"
     "N passed, N failed. sockwarden(8), CASE FILES, describes the format.\n"
     "With --policy the files are audit logs, - is standard input, and each request that they let\n"
     "through is a case: the policy must allow what its line tells.\n"
     "\n"
     "Options\n"
     "  --policy FILE       would this policy let through what the audit logs hold?\n"
     "  -v, --verbose       a line for each case that passes, too\n"
     "\n"
     "Exit status\n"
     "  0  all passed\n"
     "  1  one failed, or a file is wrong\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden test cases/*.json\n"
     "  sockwarden test --policy policy.json audit.jsonl\n"},
    {"learn",
     "Writes a policy on standard output that allows just the requests that the audit logs hold: the\n"
     "allowed ones, and with --mode audit those that would have been denied. Each client gets a role.\n"
     "What no policy could open, and what is left out, goes to standard error. - is standard input.\n"
     "\n"
     "Exit status\n"
     "  0  written\n"
     "  1  a log cannot be read, or holds nothing to learn from\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden learn audit.jsonl > policy.json && sockwarden check policy.json\n"},
    {"report",
     "Lists, for each role of the policy file, the entries that no request of the audit logs has used,\n"
     "then the requests that were denied, and that would have been with --mode audit, by reason.\n"
     "\n"
     "Options\n"
     "  --policy FILE       the policy that the logs were written under\n"
     "  --json              one JSON object instead of lines\n"
     "\n"
     "Exit status\n"
     "  0  printed\n"
     "  1  the policy or a log cannot be read\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden report --policy policy.json audit.jsonl\n"},
    {"audit",
     "Each audit line holds the hash of the line before it. Files are read in the order given, oldest\n"
     "first, as one chain; - is standard input. When it is whole, the last line tells how many lines\n"
     "there are and the hash of the last. When not, FILE:LINE: what is wrong, of the first break: a\n"
     "line that was changed, is missing, stands in wrong order, is torn, or is not JSON.\n"
     "\n"
     "Exit status\n"
     "  0  the chain is whole\n"
     "  1  it is broken, or a file cannot be read\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden audit verify audit.jsonl.1 audit.jsonl\n"},
    {"verify",
     "Verifies the signatures of an image under the role's entry of images.signed that covers it, and\n"
     "prints each step: the entry, its keys, what was looked at and why it counts or does not, then the\n"
     "verdict, the digest and the IDs that it covers. IMAGE is NAME:TAG, NAME@sha256:DIGEST, or\n"
     "NAME#sha256:ID for an ID that the daemon has. The daemon is not asked, and --trust-cache neither.\n"
     "\n"
     "Options\n"
     "  --policy FILE       the policy\n"
     "  --role NAME         whose images.signed decides; without it the role default\n"
     "  --platform PLATFORM of an index, such as linux/arm64; without it this machine's\n"
     "  --key-dir PATH      the folder of the keys that the policy names\n"
     "  --signature-store PATH\n"
     "                      signatures as files\n"
     "  --registry-auth FILE, --registry-ca FILE, --registry-private HOST, --registry-plain-http HOST,\n"
     "  --registry-token-host HOST, --registry-proxy URL, --registry-direct HOST, --registry-timeout SECONDS\n"
     "                      how registries are asked\n"
     "\n"
     "Exit status\n"
     "  0  signed, or no signature is needed\n"
     "  1  policy, role or keys are wrong, or nobody could be asked\n"
     "  2  usage\n"
     "  3  refused\n"
     "\n"
     "Example\n"
     "  sockwarden verify docker.io/acme/app:1.2 --policy policy.json\n"},
    {"routes",
     "Columns: method, path, operation, class, body, gist; the first line names them.\n"
     "\n"
     "Exit status\n"
     "  0  printed\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden routes | grep ContainerExec\n"},
    {"roles",
     "Exit status\n"
     "  0  printed\n"
     "  1  there is no such role\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden roles read-only\n"},
    {"import",
     "Prints the policy that another socket proxy's configuration comes to, and on standard error\n"
     "what is stricter, what is not carried over, and which options of serve go with it, each as\n"
     "FILE:LINE: sentence. Without FILE the environment is read; - is standard input.\n"
     "\n"
     "Options\n"
     "  --from PROXY        tecnativa, linuxserver: variables (CONTAINERS=1 ...), of the environment or\n"
     "                        an env file\n"
     "                      wollomatic: SP_ALLOW_GET=... and -allowGET=..., one a line\n"
     "                      cetusguard: a rules file\n"
     "                      sockguard: its YAML\n"
     "                      without it: variables, and what either of the first two lets through by name\n"
     "  --no-builtin-rules  of cetusguard: without its rules for ping, version and info\n"
     "\n"
     "Exit status\n"
     "  0  printed\n"
     "  1  it cannot be read, or would lose what it forbids\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden import --from wollomatic flags.txt >policy.json && sockwarden check policy.json\n"},
    {"healthcheck",
     "Asks /readyz of the admin address, or a ping of a serving one, for 3 seconds at most. ADDRESS is\n"
     "unix:///path or tcp://IP:PORT (plain HTTP); without it SOCKWARDEN_ADMIN, else the first --host\n"
     "(SOCKWARDEN_HOST).\n"
     "\n"
     "Exit status\n"
     "  0  it serves, and the daemon answers\n"
     "  1  it does not; the sentence says why\n"
     "  2  usage\n"
     "\n"
     "Example\n"
     "  sockwarden healthcheck unix:///run/sockwarden/docker.sock\n"},
};
// clang-format on

const char *help_of(const char *command)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (strcmp(texts[i].command, command) == 0)
            return texts[i].text;
    return NULL;
}
