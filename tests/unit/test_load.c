/* The policy loader: every kind of error with its place, and its bounds. */
#include "load_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- errors ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text;
    const char *expected; /* "LINE:COLUMN: sentence\n" each, "W" before a warning; "": loads */
} error_rows[] = {
    /* the document */
    {"smallest", ROLE("{}"), ""},
    {"no role", "{\"version\":1}",
     "W1:1: there is no role \"default\": every client is refused unless --role names another\n"},
    {"no default", "{\"version\":1,\n \"roles\":{\"ci\":{}}}",
     "W2:2: there is no role \"default\": every client is refused unless --role names another\n"},
    {"not JSON", "{\"version\":1,}", "1:14: *"},
    {"duplicate name", "{\"version\":1,\n\"version\":1}", "2:1: *"},
    {"empty file", "", "1:1: *"},
    {"not an object", "[]", "1:1: a policy expects an object, got a list\n"},
    {"version missing", "{\"roles\":{\"default\":{}}}",
     "1:1: \"version\" is missing: write \"version\": 1\n"},
    {"version two", "{\"version\":2,\"roles\":{\"default\":{}}}",
     "1:12: \"version\" must be 1, the only format there is\n"},
    {"version as text", "{\"version\":\"1\",\"roles\":{\"default\":{}}}",
     "1:12: \"version\" must be 1, the only format there is\n"},
    {"roles a list", "{\"version\":1,\"roles\":[]}", "1:22: roles expects an object, got a list\n"},
    {"unknown key", "{\"version\":1,\n  \"rolls\":{},\"roles\":{\"default\":{}}}",
     "2:3: unknown key \"rolls\" in the policy; did you mean \"roles\"?\n"},
    {"unknown key far from all", "{\"version\":1,\"hello\":2,\"roles\":{\"default\":{}}}",
     "1:14: unknown key \"hello\" in the policy\n"},
    {"revoked", "{\"version\":1,\"revoked\":\"close\",\"roles\":{\"default\":{}}}", ""},
    {"revoked as by default", "{\"version\":1,\"revoked\":\"finish\",\"roles\":{\"default\":{}}}",
     ""},
    {"revoked, another word", "{\"version\":1,\n\"revoked\":\"closed\",\"roles\":{\"default\":{}}}",
     "2:11: revoked is \"finish\" or \"close\", not \"closed\"\n"},
    {"revoked, no text", "{\"version\":1,\n\"revoked\":true,\"roles\":{\"default\":{}}}",
     "2:11: revoked expects \"finish\" or \"close\", got true\n"},
    {"revoked, misspelt", "{\"version\":1,\n\"revoke\":\"close\",\"roles\":{\"default\":{}}}",
     "2:1: unknown key \"revoke\" in the policy; did you mean \"revoked\"?\n"},
    {"descriptions everywhere",
     "{\"version\":1,\"description\":\"a\",\"roles\":{\"description\":\"b\",\"default\":{"
     "\"description\":\"c\",\"allow\":[\"@create\"],\"api\":{\"description\":\"d\"},"
     "\"containers\":{\"description\":\"e\","
     "\"env\":{\"description\":\"f\",\"deny\":[]},"
     "\"binds\":[{\"description\":\"g\",\"source\":\"/a\"}]}}}}",
     ""},
    {"description not text", ROLE("{\"description\":1}"),
     "1:48: description expects text, got a number\n"},

    /* roles */
    {"role not an object", ROLE("[]"), "1:33: a role expects an object, got a list\n"},
    {"empty name", ROLES("\"\":{}"), "1:36: a role needs a name\n"},
    {"built-in name", ROLES("\"builtin:x\":{}"),
     "1:36: names that begin with \"builtin:\" are those of built-in roles; extend one under a "
     "name "
     "of your own\n"},
    {"control character", ROLES("\"a\\u0007\":{}"),
     "1:36: the name of a role holds a control character\n"},
    {"key of a role", ROLE("{\"alow\":[]}"),
     "1:34: unknown key \"alow\" in a role; did you mean \"allow\"?\n"},
    {"constraint outside its group", ROLE("{\"cap_add\":[]}"),
     "1:34: unknown key \"cap_add\" in a role; did you mean containers.cap_add?\n"},
    {"the same, like a key of a role", ROLE("{\"binds\":[\"/srv\"]}"),
     "1:34: unknown key \"binds\" in a role; did you mean containers.binds?\n"},
    {"in another case", ROLE("{\"Allow\":[]}"),
     "1:34: unknown key \"Allow\" in a role; did you mean \"allow\"?\n"},
    {"mark is not writable", ROLE("{\"unrestricted\":true}"),
     "1:34: unknown key \"unrestricted\" in a role\n"},
    {"existing", ROLE("{\"existing\":true}"),
     "1:45: existing expects \"conforming\" or \"any\", got true\n"},
    {"objects", ROLE("{\"objects\":{\"container\":{}}}"),
     "1:45: unknown key \"container\" in objects; did you mean \"containers\"?\n"},
    {"objects, names", ROLE("{\"objects\":{\"volumes\":{\"names\":\"a\"}}}"),
     "1:64: objects.volumes.names expects a list of globs, got text\n"},
    {"objects, labels", ROLE("{\"objects\":{\"images\":{\"label\":{}}}}"),
     "1:55: unknown key \"label\" in objects.images; did you mean \"labels\"?\n"},
    {"owner, empty", ROLE("{\"owner\":{}}"),
     "1:42: owner has no \"label\", such as \"com.example.owner\"\n"
     "1:42: owner has no \"value\", such as \"${client}\"\n"},
    {"owner, variable", ROLE("{\"owner\":{\"label\":\"o.o\",\"value\":\"${name}\"}}"),
     "1:65: owner.value: \"${name}\" holds a '$' that begins none of ${client}, ${cert_cn}, "
     "${uid}, ${address}, ${container_name}, ${compose_project} and ${compose_service}\n"},
    {"owner, no dot", ROLE("{\"owner\":{\"label\":\"image\",\"value\":\"a\"}}"),
     "1:42: owner.label holds no '.', as in \"com.example.owner\": names without one are the "
     "daemon's own in events\n"},
    {"owner, equals", ROLE("{\"owner\":{\"label\":\"a.b=c\",\"value\":\"a\"}}"),
     "1:42: owner.label holds a '=', which ends a label's name\n"},
    {"owner", ROLE("{\"owner\":{\"label\":\"a.b\",\"value\":\"x-${uid}\",\"images\":true}}"), ""},
    {"responses",
     ROLE("{\"responses\":{\"redact\":[\"env\",\"labels\",\"binds\"],\"description\":\"x\"}}"), ""},
    {"responses, nothing", ROLE("{\"responses\":{\"redact\":[]}}"), ""},
    {"responses, no object", ROLE("{\"responses\":[\"env\"]}"),
     "1:46: responses expects an object such as {\"redact\": [\"env\"]}, got a list\n"},
    {"responses, unknown", ROLE("{\"responses\":{\"redacts\":[]}}"),
     "1:47: unknown key \"redacts\" in responses, which has \"redact\"\n"},
    {"responses, no list", ROLE("{\"responses\":{\"redact\":\"env\"}}"),
     "1:56: responses.redact expects a list of \"env\", \"labels\" and \"binds\", got text\n"},
    {"responses, no text", ROLE("{\"responses\":{\"redact\":[1]}}"),
     "1:57: an entry of responses.redact expects text, got a number\n"},
    {"responses, another word", ROLE("{\"responses\":{\"redact\":[\"environment\"]}}"),
     "1:57: responses.redact holds \"env\", \"labels\" or \"binds\", not \"environment\"; did you "
     "mean \"env\"?\n"},
    {"responses, another case", ROLE("{\"responses\":{\"redact\":[\"Env\"]}}"),
     "1:57: responses.redact holds \"env\", \"labels\" or \"binds\", not \"Env\"; did you mean "
     "\"env\"?\n"},
    {"responses, far from all", ROLE("{\"responses\":{\"redact\":[\"*\"]}}"),
     "1:57: responses.redact holds \"env\", \"labels\" or \"binds\", not \"*\"\n"},
    {"responses, twice", ROLE("{\"responses\":{\"redact\":[\"env\",\"env\"]}}"),
     "W1:63: \"env\" stands in this list already\n"},
    {"limits",
     ROLE("{\"limits\":{\"requests_per_second\":1,\"burst\":1000000,\"connections\":1,"
          "\"streams\":0,\"body_bytes\":\"2m\",\"description\":\"x\"}}"),
     ""},
    {"limits, no object", ROLE("{\"limits\":5}"),
     "1:43: limits expects an object such as {\"requests_per_second\": 20}, got a number\n"},
    {"limits, unknown", ROLE("{\"limits\":{\"stream\":1}}"),
     "1:44: unknown key \"stream\" in limits; did you mean \"streams\"?\n"},
    {"limits, another word", ROLE("{\"limits\":{\"rate\":1}}"),
     "1:44: unknown key \"rate\" in limits; did you mean \"requests_per_second\"?\n"},
    {"limits, none at all", ROLE("{\"limits\":{\"connections\":0}}"),
     "1:58: limits.connections expects a whole number from 1 to 1000000, got \"0\"\n"},
    {"limits, too much", ROLE("{\"limits\":{\"requests_per_second\":1000001}}"),
     "1:66: limits.requests_per_second expects a whole number from 1 to 1000000, got "
     "\"1000001\"\n"},
    {"limits, a fraction", ROLE("{\"limits\":{\"requests_per_second\":0.5}}"),
     "1:66: limits.requests_per_second expects a whole number from 1 to 1000000, got \"0.5\"\n"},
    {"limits, text", ROLE("{\"limits\":{\"streams\":\"4\"}}"),
     "1:54: limits.streams expects a whole number from 0 to 1000000, got text\n"},
    {"limits, no size", ROLE("{\"limits\":{\"body_bytes\":\"much\"}}"),
     "1:57: limits.body_bytes expects a whole number of bytes from 1, or text such as \"512k\" or "
     "\"2m\", got \"much\"\n"},
    {"signed", ROLE("{\"allow\":[\"@create\"],\"images\":{\"signed\":[]}}"), ""},

    /* scalars */
    {"archive fixed", ROLE("{\"archive\":\"fixed\"}"), ""},
    {"archive word", ROLE("{\"archive\":\"Fixed\"}"),
     "1:44: archive expects \"fixed\", true or false, got text\n"},
    {"archive number", ROLE("{\"archive\":1}"),
     "1:44: archive expects \"fixed\", true or false, got a number\n"},
    {"unknown_fields", ROLE("{\"unknown_fields\":true}"),
     "1:51: unknown_fields expects \"deny\" or \"allow\"\n"},
    {"unknown_fields word", ROLE("{\"unknown_fields\":\"Allow\"}"),
     "1:51: unknown_fields expects \"deny\" or \"allow\"\n"},
    {"api good", ROLE("{\"api\":{\"min\":\"1.24\",\"max\":\"1.24\"}}"), ""},
    {"api too low", ROLE("{\"api\":{\"min\":\"1.23\"}}"),
     "1:47: api.min is never below 1.24: before it, starting a container takes its settings "
     "again\n"},
    {"api number", ROLE("{\"api\":{\"min\":1.24}}"),
     "1:47: api.min expects text such as \"1.41\", got a number\n"},
    {"api nonsense", ROLE("{\"api\":{\"max\":\"1.041\"}}"),
     "1:47: api.max expects a version such as \"1.41\", got \"1.041\"\n"},
    {"api major", ROLE("{\"api\":{\"max\":\"2.0\"}}"),
     "1:47: api.max expects a version such as \"1.41\", got \"2.0\"\n"},
    {"api crossed", ROLE("{\"api\":{\"min\":\"1.40\",\"max\":\"1.30\"}}"),
     "1:33: api: min 1.40 is above max 1.30 in role default\n"},
    {"api crossed by inheritance",
     "{\"version\":1,\"roles\":{\"a\":{\"api\":{\"min\":\"1.40\"}},\n"
     "\"default\":{\"extends\":\"a\",\"api\":{\"max\":\"1.30\"}}}}",
     "2:11: api: min 1.40 is above max 1.30 in role default\n"},
    {"mark with constraints", ROLE("{\"extends\":\"builtin:all\",\"containers\":{\"oom\":false}}"),
     ""},
    {"mark alone", ROLE("{\"extends\":\"builtin:all\",\"unknown_fields\":\"deny\"}"), ""},
    {"mark with constraints, inspected",
     ROLE("{\"extends\":\"builtin:all\",\"containers\":{\"oom\":false},\"deny\":[\"@build\","
          "\"@admin\",\"@swarm\",\"ImageCommit\",\"VolumeUpdate\",\"SystemAuth\"]}"),
     ""},
    {"api key", ROLE("{\"api\":{\"mni\":\"1.40\"}}"),
     "1:41: unknown key \"mni\" in api, which has \"min\" and \"max\"\n"},

    /* operations */
    {"allow as text", ROLE("{\"allow\":\"@read\"}"),
     "1:42: allow expects a list of operations and classes, got text\n"},
    {"operation as number", ROLE("{\"allow\":[1]}"),
     "1:43: an operation or class expects text, got a number\n"},
    {"operation misspelt", ROLE("{\"allow\":[\"ContainerCraete\"]}"),
     "1:43: unknown operation \"ContainerCraete\"; did you mean \"ContainerCreate\"?\n"},
    {"operation in lower case", ROLE("{\"deny\":[\"containercreate\"]}"),
     "1:42: unknown operation \"containercreate\"; did you mean \"ContainerCreate\"?\n"},
    {"class misspelt", ROLE("{\"allow\":[\"@reed\"]}"),
     "1:43: unknown class \"@reed\"; did you mean \"@read\"?\n"},
    {"glob without a match", ROLE("{\"deny\":[\"Kontainer*\"]}"),
     "W1:42: \"Kontainer*\" matches no operation\n"},

    /* open */
    {"open parameter", ROLE("{\"open\":[\"ContainerTop?ps_args\"]}"), ""},
    {"open field", ROLE("{\"open\":[\"ContainerCreate:HostConfig.Cgroup\"]}"), ""},
    {"open not text", ROLE("{\"open\":[1]}"),
     "1:42: an entry of open expects text such as \"ContainerTop?ps_args\", got a number\n"},
    {"open not a list", ROLE("{\"open\":\"ContainerTop?ps_args\"}"),
     "1:41: open expects a list of parameters and fields, got text\n"},
    {"open unknown operation", ROLE("{\"open\":[\"ContainerTob?ps_args\"]}"),
     "1:42: open: unknown operation \"ContainerTob\"; did you mean \"ContainerTop\"?\n"},
    {"open unknown parameter", ROLE("{\"open\":[\"ContainerTop?ps_arg\"]}"),
     "1:42: open: ContainerTop has no parameter \"ps_arg\"; did you mean \"ps_args\"?\n"},
    {"open unknown field", ROLE("{\"open\":[\"ContainerCreate:HostConfig.Cgruop\"]}"),
     "1:42: open: ContainerCreate has no body field \"HostConfig.Cgruop\"; did you mean "
     "\"HostConfig.Cgroup\"?\n"},
    {"open field without its parent",
     ROLE("{\"open\":[\"ContainerCreate:EndpointsConfig.{}.DriverOpts\"]}"),
     "1:42: open: ContainerCreate has no body field \"EndpointsConfig.{}.DriverOpts\"; did you "
     "mean "
     "\"NetworkingConfig.EndpointsConfig.{}.DriverOpts\"?\n"},
    {"open field of a list", ROLE("{\"open\":[\"ContainerCreate:HostConfig.Mounts[].Target\"]}"),
     ""},
    {"open field that a key governs",
     ROLE("{\"open\":[\"ContainerCreate:HostConfig.Privileged\"]}"),
     "W1:42: open: \"ContainerCreate:HostConfig.Privileged\" has no effect: "
     "a key of the role governs this field\n"},
    {"open field of a body not in the tables", ROLE("{\"open\":[\"ContainerStart:Name\"]}"),
     "1:42: open: the body of ContainerStart is not in the tables of this version, so no field of "
     "it can "
     "be opened\n"},
    {"allow a build", ROLE("{\"allow\":[\"ImageBuild\"]}"), ""},
    {"allow a service", ROLE("{\"allow\":[\"ServiceCreate\"]}"), ""},
    {"open field of a service", ROLE("{\"open\":[\"ServiceCreate:TaskTemplate.PluginSpec\"]}"), ""},
    {"open field of a service that a key governs", ROLE("{\"open\":[\"ServiceCreate:Name\"]}"),
     "W1:42: open: \"ServiceCreate:Name\" has no effect: a key of the role governs this field\n"},
    {"open without a part", ROLE("{\"open\":[\"ContainerTop\"]}"),
     "1:42: open: \"ContainerTop\" is neither \"Operation?parameter\" nor "
     "\"Operation:Field.Path\"\n"},
    {"open what is not refused", ROLE("{\"open\":[\"ContainerList?all\"]}"),
     "W1:42: open: \"ContainerList?all\" has no effect: this parameter is not refused\n"},
    {"open an object", ROLE("{\"open\":[\"ContainerCreate:HostConfig\"]}"),
     "W1:42: open: \"ContainerCreate:HostConfig\" has no effect: name a field inside it\n"},
    {"open glob", ROLE("{\"open\":[\"Container*?ps_args\"]}"),
     "1:42: open: unknown operation \"Container*\"; did you mean \"ContainerTop\"?\n"},

    /* groups and shapes */
    {"group not an object", ROLE("{\"containers\":true}"),
     "1:47: containers expects an object, got true\n"},
    {"key misspelt", ROLE("{\"containers\":{\"cap-ad\":[]}}"),
     "1:48: unknown key \"cap-ad\" in containers; did you mean \"cap_add\"?\n"},
    {"key as Docker writes it", ROLE("{\"containers\":{\"Privileged\":true}}"),
     "1:48: unknown key \"Privileged\" in containers; did you mean \"privileged\"?\n"},
    {"key of another group", ROLE("{\"exec\":{\"network_mode\":true}}"),
     "1:42: unknown key \"network_mode\" in exec; did you mean containers.network_mode?\n"},
    {"boolean from a list", ROLE("{\"containers\":{\"privileged\":[\"a\"]}}"),
     "1:61: containers.privileged expects true or false, got a list\n"},
    {"null", ROLE("{\"containers\":{\"cap_add\":null}}"),
     "1:58: containers.cap_add expects true or false, or a list, got null\n"},
    {"number", ROLE("{\"containers\":{\"env\":1}}"),
     "1:54: containers.env expects true or false, or a list, or {\"allow\": [...]}, or {\"deny\": "
     "[...]}, got a number\n"},
    {"object where none goes", ROLE("{\"containers\":{\"binds\":{\"allow\":[]}}}"),
     "1:56: containers.binds expects true or false, or a list, got an object\n"},
    {"read_only true", ROLE("{\"containers\":{\"read_only\":true}}"),
     "1:60: containers.read_only expects {\"require\": true}, got true\n"},
    {"max false", ROLE("{\"containers\":{\"mem_limit\":false}}"),
     "1:60: containers.mem_limit expects true, or {\"max\": ...}, or {\"require\": true}, got "
     "false\n"},
    {"deny list true", ROLE("{\"images\":{\"deny\":true}}"),
     "1:51: images.deny expects a list, got true\n"},
    {"word misspelt", ROLE("{\"containers\":{\"env\":{\"denny\":[]}}}"),
     "1:55: unknown key \"denny\" in containers.env; did you mean \"deny\"?\n"},
    {"word of another key", ROLE("{\"containers\":{\"env\":{\"max\":1}}}"),
     "1:55: unknown key \"max\" in containers.env\n"},
    {"word not a list", ROLE("{\"containers\":{\"env\":{\"deny\":\"A\"}}}"),
     "1:62: deny of containers.env expects a list, got text\n"},
    {"require of the wrong shape", ROLE("{\"containers\":{\"cap_drop\":{\"require\":true}}}"),
     "1:70: containers.cap_drop expects {\"require\": [...]}; this require is true\n"},
    {"required label not text", ROLE("{\"containers\":{\"labels\":{\"require\":{\"a\":1}}}}"),
     "1:73: a required label expects a glob for its value, got a number\n"},
    {"user denies others", ROLE("{\"containers\":{\"user\":{\"deny\":[\"bob\"]}}}"),
     "1:64: containers.user can deny only \"root\", which means every user but a numeric uid other "
     "than 0; got \"bob\"\n"},

    /* entries */
    {"entry null", ROLE("{\"containers\":{\"volumes\":[null]}}"),
     "1:59: containers.volumes: an entry is text, got null\n"},
    {"path relative", ROLE("{\"containers\":{\"binds\":[\"srv\"]}}"),
     "1:57: containers.binds: \"srv\" is not an absolute path\n"},
    {"path with dots", ROLE("{\"containers\":{\"binds\":[\"/srv/../etc\"]}}"),
     "1:57: containers.binds: \"/srv/../etc\" holds a '.' or '..' part; write where it leads\n"},
    {"path with dot", ROLE("{\"containers\":{\"binds\":[\"/srv/.\"]}}"),
     "1:57: containers.binds: \"/srv/.\" holds a '.' or '..' part; write where it leads\n"},
    {"path with two slashes", ROLE("{\"containers\":{\"binds\":[\"/srv//ci\"]}}"),
     "1:57: containers.binds: \"/srv//ci\" holds '//'\n"},
    {"path with a last slash", ROLE("{\"containers\":{\"binds\":[\"/srv/\"]}}"),
     "1:57: containers.binds: \"/srv/\" ends in '/'; write the path without it, or add '**' for "
     "everything below\n"},
    {"paths",
     ROLE("{\"allow\":[\"@create\"],"
          "\"containers\":{\"binds\":[\"/srv\",\"/srv/ci/**\",\"/a/..b\"]}}"),
     ""},
    {"bind object key",
     ROLE("{\"containers\":{\"binds\":[{\"source\":\"/a\",\"readonly\":true}]}}"),
     "1:72: unknown key \"readonly\" in an entry of containers.binds; did you mean "
     "\"read_only\"?\n"},
    {"bind without source", ROLE("{\"containers\":{\"binds\":[{\"read_only\":true}]}}"),
     "1:57: an entry of containers.binds lacks its \"source\"\n"},
    {"bind read_only text",
     ROLE("{\"containers\":{\"binds\":[{\"source\":\"/a\",\"read_only\":1}]}}"),
     "1:84: read_only of a bind expects true or false, got a number\n"},
    {"bind entry number", ROLE("{\"containers\":{\"binds\":[1]}}"),
     "1:57: containers.binds: an entry is text or {\"source\": ..., \"read_only\": true}, got a "
     "number\n"},
    {"capability", ROLE("{\"containers\":{\"cap_add\":[\"NET-ADMIN\"]}}"),
     "1:59: containers.cap_add: \"NET-ADMIN\" is not the name of a capability\n"},
    {"capability prefix alone", ROLE("{\"containers\":{\"cap_add\":[\"CAP_\"]}}"),
     "1:59: containers.cap_add: \"CAP_\" is not the name of a capability\n"},
    {"capability not ASCII", ROLE("{\"containers\":{\"cap_add\":[\"\xc5\xbfYS_ADMIN\"]}}"),
     "1:59: containers.cap_add: \"\xc5\xbfYS_ADMIN\" is not the name of a capability\n"},
    {"ports", ROLE("{\"containers\":{\"ports\":[\"80-70\"]}}"),
     "1:57: containers.ports: \"80-70\" is not [HOSTIP:]PORT[-PORT][/PROTO]\n"},
    {"port as number", ROLE("{\"containers\":{\"ports\":[80]}}"),
     "1:57: containers.ports: an entry is text, got a number\n"},
    {"subnet", ROLE("{\"networks\":{\"subnets\":[\"10.1.0.0/33\"]}}"),
     "1:57: networks.subnets: \"10.1.0.0/33\" is not an address range such as \"10.1.0.0/16\"\n"},
    {"image with a tag", ROLE("{\"images\":{\"allow\":[\"nginx:1.25\"]}}"),
     "1:53: images.allow: \"nginx:1.25\" names a tag; an entry is registry/repository: exclude "
     "tags "
     "with images.deny_tags or images.require_digest\n"},
    {"image with a tag behind a port", ROLE("{\"images\":{\"allow\":[\"r:5000/a:1\"]}}"),
     "1:53: images.allow: \"r:5000/a:1\" names a tag; an entry is registry/repository: exclude "
     "tags "
     "with images.deny_tags or images.require_digest\n"},
    {"image with a digest", ROLE("{\"images\":{\"deny\":[\"nginx@sha256:00\"]}}"),
     "1:52: images.deny: \"nginx@sha256:00\" names a digest; an entry is registry/repository: "
     "demand "
     "digests with images.require_digest\n"},
    {"image of two meanings", ROLE("{\"images\":{\"allow\":[\"*/app\"]}}"),
     "1:53: images.allow: \"*/app\" could mean a registry or a part of docker.io; write the "
     "registry "
     "out, or begin with \"**/\"\n"},
    {"image star", ROLE("{\"images\":{\"allow\":[\"*\"]}}"),
     "1:53: images.allow: \"*\" could mean two things; write \"**\" for every image, "
     "\"docker.io/library/*\" for Docker's own\n"},
    {"image in capitals", ROLE("{\"images\":{\"allow\":[\"Nginx\"]}}"),
     "1:53: images.allow: \"Nginx\" holds a character that no image name has (repositories are in "
     "lower case)\n"},
    {"image with a last slash", ROLE("{\"images\":{\"allow\":[\"a.b/\"]}}"),
     "1:53: images.allow: \"a.b/\" is not registry/repository\n"},
    {"max nonsense", ROLE("{\"containers\":{\"mem_limit\":{\"max\":\"2q\"}}}"),
     "1:67: max of containers.mem_limit expects a whole number of bytes, or text such as \"512m\" "
     "or "
     "\"2g\", got \"2q\"\n"},
    {"max too large", ROLE("{\"containers\":{\"mem_limit\":{\"max\":\"99999999999t\"}}}"),
     "1:67: max of containers.mem_limit expects a whole number of bytes, or text such as \"512m\" "
     "or "
     "\"2g\", got \"99999999999t\"\n"},
    {"max negative", ROLE("{\"containers\":{\"pids_limit\":{\"max\":-1}}}"),
     "1:68: max of containers.pids_limit expects a whole number from 0, got \"-1\"\n"},
    {"max fraction", ROLE("{\"containers\":{\"cpus\":{\"max\":\"1.\"}}}"),
     "1:62: max of containers.cpus expects a number of processors such as 1.5, got \"1.\"\n"},
    {"max boolean", ROLE("{\"containers\":{\"cpus\":{\"max\":true}}}"),
     "1:62: max of containers.cpus expects a number of processors such as 1.5, got true\n"},

    /* extends */
    {"unknown parent", ROLE("{\"extends\":\"defualt\"}"),
     "1:44: extends: unknown role \"defualt\"; did you mean \"default\"?\n"},
    {"built-in without its prefix", ROLE("{\"extends\":\"read-only\"}"),
     "1:44: extends: unknown role \"read-only\"; did you mean \"builtin:read-only\"?\n"},
    {"extends a number", ROLE("{\"extends\":[1]}"),
     "1:45: extends expects the name of a role or a list of them, got a number\n"},
    {"own parent", ROLE("{\"extends\":\"default\"}"),
     "1:44: extends goes in a circle: default -> default\n"},
    {"circle",
     "{\"version\":1,\"roles\":{\"default\":{},\n\"a\":{\"extends\":\"b\"},\n"
     "\"b\":{\"extends\":[\"builtin:default\",\"c\"]},\n\"c\":{\"extends\":\"a\"}}}",
     "4:16: extends goes in a circle: a -> b -> c -> a\n"},

    /* several at once, in the order of the file */
    {"all in one run",
     "{\"version\":2,\n\"roles\":{\"default\":{\"extends\":\"x\",\n\"allow\":[\"@reed\"],\n"
     "\"containers\":{\"privileged\":1}},\n\"b\":{\"deny\":[\"Nothing*\"]}},\n\"more\":1}",
     "1:12: \"version\" must be 1, the only format there is\n"
     "2:31: extends: unknown role \"x\"\n"
     "3:10: unknown class \"@reed\"; did you mean \"@read\"?\n"
     "4:28: containers.privileged expects true or false, got a number\n"
     "W5:14: \"Nothing*\" matches no operation\n"
     "6:1: unknown key \"more\" in the policy\n"},
};

/* Expected "1:2: *" leaves the sentence to the JSON scan. */
static bool errors_equal(const char *got, const char *expected)
{
    const char *star = strstr(expected, ": *");
    if (star && star[3] == '\0')
        return strncmp(got, expected, (size_t)(star - expected) + 2) == 0 &&
               strchr(got, '\n') == got + strlen(got) - 1;
    return strcmp(got, expected) == 0;
}

static bool has_error(const char *expected)
{
    for (const char *p = expected; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (*p != 'W')
            return true;
    return false;
}

static void test_errors(void **state)
{
    (void)state;
    static char got[64 << 10];
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
        struct err_list errors = {0};
        /* The caller may free his text at once: nothing of it may be needed later. */
        char *text = strdup(error_rows[i].text);
        struct policy *policy = policy_load(str_of(text), &errors);
        free(text);
        print_errors(&errors, got, sizeof got);
        bool loads = !has_error(error_rows[i].expected);
        if (!errors_equal(got, error_rows[i].expected) || (policy != NULL) != loads) {
            print_error("%s: %s\n  got      %s  expected %s\n", error_rows[i].name,
                        policy ? "loaded" : "refused", got, error_rows[i].expected);
            failed++;
        }
        policy_free(policy);
        err_list_free(&errors);
    }
    assert_int_equal(failed, 0);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void test_error_limit(void **state)
{
    (void)state;
    static char text[16 << 10];
    size_t n =
        (size_t)snprintf(text, sizeof text, "{\"version\":1,\"roles\":{\"default\":{\"allow\":[");
    for (int i = 0; i < 150; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"X%d\"", i ? "," : "", i);
    snprintf(text + n, sizeof text - n, "]}}}");
    struct err_list errors = {0};
    assert_null(policy_load(str_of(text), &errors));
    assert_int_equal(errors.errors, 150); /* all count, the first are told */
    assert_int_equal(errors.count, POLICY_ERRORS_MAX);
    assert_string_equal(errors.items[errors.count - 1].err.text, "unknown operation \"X99\"");
    err_list_free(&errors);
}

/* A chain of n roles, each extending the next one. */
static bool chain_loads(int n, bool forwards)
{
    static char text[8 << 10];
    size_t at = (size_t)snprintf(text, sizeof text, "{\"version\":1,\"roles\":{\"default\":{}");
    for (int i = 0; i < n; i++) {
        int self = forwards ? i : n - 1 - i;
        at += (size_t)snprintf(text + at, sizeof text - at, ",\"r%d\":{", self);
        if (self + 1 < n)
            at += (size_t)snprintf(text + at, sizeof text - at, "\"extends\":\"r%d\"", self + 1);
        at += (size_t)snprintf(text + at, sizeof text - at, "}");
    }
    snprintf(text + at, sizeof text - at, "}}");
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(text), &errors);
    bool loaded = policy != NULL;
    policy_free(policy);
    err_list_free(&errors);
    return loaded;
}

static void test_chain_limit(void **state)
{
    (void)state;
    assert_true(chain_loads(POLICY_EXTENDS_DEPTH_MAX, true));
    assert_true(chain_loads(POLICY_EXTENDS_DEPTH_MAX, false));
    assert_false(chain_loads(POLICY_EXTENDS_DEPTH_MAX + 1, true));
    assert_false(chain_loads(POLICY_EXTENDS_DEPTH_MAX + 1, false));
    assert_false(chain_loads(3 * POLICY_EXTENDS_DEPTH_MAX, true));
}

static void test_too_large(void **state)
{
    (void)state;
    size_t size = POLICY_FILE_MAX + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, ' ', size);
    struct err_list errors = {0};
    assert_null(policy_load((struct str){text, size}, &errors));
    assert_int_equal(errors.errors, 1);
    free(text);
    err_list_free(&errors);
}

#define WHOLE                                                                               \
    "{\"version\":1,\"roles\":{\"base\":{\"allow\":[\"@read\"],\"api\":{\"min\":\"1.30\"}," \
    "\"containers\":{\"binds\":[\"/a/**\",{\"source\":\"/b\",\"read_only\":true}],"         \
    "\"mem_limit\":{\"max\":\"2g\"}}},\"default\":{\"extends\":[\"base\",\"builtin:all\"]}}}"

/* Every prefix of a policy is refused without harm. */
static void test_prefixes(void **state)
{
    (void)state;
    struct str whole = STR(WHOLE);
    for (size_t n = 0; n < whole.n; n++) {
        struct err_list errors = {0};
        char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, whole.p, n);
        assert_null(policy_load((struct str){copy, n}, &errors));
        assert_int_equal(errors.errors, 1);
        free(copy);
        err_list_free(&errors);
    }
}

static void test_revoked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool closes;
    } rows[] = {
        {"{\"version\":1,\"revoked\":\"close\"}", true},
        {"{\"version\":1,\"revoked\":\"finish\"}", false},
        {"{\"version\":1}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_list errors = {0};
        struct policy *policy = policy_load(str_of(rows[i].text), &errors);
        assert_non_null(policy);
        if (policy_closes_revoked(policy) != rows[i].closes)
            fail_msg("%s", rows[i].text);
        policy_free(policy);
        err_list_free(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_error_limit),
        cmocka_unit_test(test_chain_limit), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_prefixes),    cmocka_unit_test(test_revoked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
