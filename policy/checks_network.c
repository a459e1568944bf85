/* Networks: names, drivers, options, address ranges; and the host's ports that a container takes.
 */
#include "checks.h"

#include "existing.h"
#include "uses.h"

#include <stdio.h>

enum {
    EPHEMERAL_FIRST = 32768,
    EPHEMERAL_LAST = 60999, /* ports that the kernel picks from */
    RANGE_COST = 16         /* units of work to compare with one range */
};

/* Could it be the beginning of an ID? Containers look for their networks again at each start, and a
   name that has gone would leave the ID to be found. */
static bool hex_only(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_digit(name.p[i]) && !(name.p[i] >= 'a' && name.p[i] <= 'f'))
            return false;
    return name.n > 0;
}

/* Names that mean something else where a network is named. */
static bool name_is_taken(struct str name)
{
    static const char *const own[] = {"host", "none", "default", "bridge"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (str_is(name, own[i]))
            return true;
    return hex_only(name) || str_find(name, ':') < name.n;
}

enum finding check_network_name(struct check *check, const struct json_node *value)
{
    if (name_is_taken(value->text) && !check->role->unrestricted) {
        SHOWN(shown, value->text);
        return refuse_with(check, KEY_NETWORKS_NAMES, value->text, NULL,
                           "is \"%s\", which would stand for another network (as the beginning of "
                           "an ID, if it holds only hex digits), or for a container's, where "
                           "networks are named",
                           shown);
    }
    return judge(check, KEY_NETWORKS_NAMES, value->text);
}

enum finding check_network_driver(struct check *check, const struct json_node *value)
{
    return judge(check, KEY_NETWORKS_DRIVERS, value->text);
}

enum finding check_network_scope(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "local"))
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text, "is \"%s\": the network would reach other hosts",
                              shown);
}

enum finding check_network_options(struct check *check, const struct json_node *value)
{
    return judge_names(check, KEY_NETWORKS_OPTIONS, value);
}

enum finding check_ipam_driver(struct check *check, const struct json_node *value)
{
    if (str_is(value->text, "default"))
        return FINDING_PASS;
    SHOWN(shown, value->text);
    return refuse_unless_open(check, value->text,
                              "is \"%s\": another program would hand out addresses", shown);
}

static enum finding judge_subnet(struct check *check, struct str text)
{
    const struct constraint *subnets = check_key(check, KEY_NETWORKS_SUBNETS);
    struct cidr asked;
    if (subnets->any)
        return FINDING_PASS;
    /* The daemon takes a mapped address for IPv4, whose range is another. */
    bool read = cidr_parse(text, &asked) && !cidr_is_mapped(text, &asked) &&
                check_spend(check, subnets->allow.count * RANGE_COST);
    for (size_t i = 0; read && i < subnets->allow.count; i++)
        if (cidr_holds(&subnets->allow.items[i].cidr, &asked))
            return FINDING_PASS;
    SHOWN(shown, text);
    return refuse(check, KEY_NETWORKS_SUBNETS, text,
                  "is \"%s\", which networks.subnets does not hold: a range of the client's choice "
                  "can capture the host's own traffic",
                  shown);
}

enum finding check_subnet(struct check *check, const struct json_node *value)
{
    return judge_subnet(check, value->text);
}

enum finding check_subnets(struct check *check, const struct json_node *value)
{
    for (const struct json_node *item = json_child(check->body, value); item;
         item = json_next(check->body, item)) {
        check->at = item;
        if (judge_subnet(check, item->text) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* From this version on daemons take no second network of a name. */
static bool checks_by_itself(const struct request *request)
{
    enum { ALWAYS_SINCE = 44 };
    return request->versioned && request->api_minor >= ALWAYS_SINCE;
}

/* Two networks of one name make every use of it fail. A look tells who asked; that none comes in
   between, daemons see to only when CheckDuplicate says so below API 1.44. */
static enum finding judge_new_name(struct check *check)
{
    struct found found;
    struct str name = text_at(check, "Name");
    const struct json_node *given = body_at(check, "CheckDuplicate");
    if (check->role->unrestricted || name.n == 0)
        return FINDING_PASS;
    check->at = NULL;
    check->field = "Name";
    enum look look = check_look(check, FACT_NETWORK, name, &found);
    if (look == LOOK_REFUSED)
        return FINDING_REFUSE;
    if (look == LOOK_FOUND && str_eq(fact_text(&found, "Name"), name)) {
        SHOWN(shown, name);
        return refuse_with(check, KEY_NETWORKS_NAMES, name, NULL,
                           "is \"%s\", and a network of this name exists already; two of one name "
                           "would make every use of it fail",
                           shown);
    }
    if ((given && given->kind == JSON_TRUE) || checks_by_itself(check->request) ||
        edits_set_member_true(&check->decision->edits, check->body, check->body->nodes,
                              STR("CheckDuplicate")))
        return FINDING_PASS;
    return refuse_plain(check, name, NULL, NULL, "cannot be checked for a double");
}

enum finding whole_network(struct check *check)
{
    const struct json_node *internal = body_at(check, "Internal");
    check->at = NULL;
    check->field = "Driver";
    if (text_at(check, "Driver").n == 0 && !absent_passes(check, KEY_NETWORKS_DRIVERS))
        return refuse(check, KEY_NETWORKS_DRIVERS, STR(""),
                      "is not given, and networks.drivers has no \"\" for the daemon's own choice");
    if (!check_key(check, KEY_NETWORKS_INTERNAL)->required ||
        (internal && internal->kind == JSON_TRUE))
        return judge_new_name(check);
    check->field = "Internal";
    return refuse_with(check, KEY_NETWORKS_INTERNAL, STR("false"), NULL,
                       "is not true, and networks.internal requires it; docker: --internal");
}

enum { PORT_TEXT_MAX = 96 };

/* ---- ports ----------------------------------------------------------------------------------- */

static bool port_number(struct str text, unsigned *out)
{
    int64_t value;
    if (text.n == 0 || text.n > 5 || !ascii_digit(text.p[0]) || !str_to_int(text, &value) ||
        value > UINT16_MAX)
        return false;
    *out = (unsigned)value;
    return true;
}

/* What a binding asks for. */
struct wanted_ports {
    bool any_ip; /* every address of the host */
    uint8_t ip[16];
    unsigned first, last;
    char proto; /* 0: any */
};

static bool ports_allowed(const struct check *check, const struct wanted_ports *wanted)
{
    const struct constraint *ports = check_key(check, KEY_PORTS);
    if (ports->any)
        return true;
    if (!check_spend(check, (ports->allow.count + 1) * RANGE_COST))
        return false;
    for (size_t i = 0; i < ports->allow.count; i++) {
        const struct port_range *range = &ports->allow.items[i].ports;
        bool ip = range->any_ip || ip_is_any(range->ip) ||
                  (!wanted->any_ip && memcmp(range->ip, wanted->ip, sizeof(wanted->ip)) == 0);
        if (ip && (range->proto == 0 || range->proto == wanted->proto) &&
            wanted->first >= range->first && wanted->last <= range->last)
            return true;
    }
    return false;
}

/* The letter of a protocol; none named is TCP; 0: not known. */
static char protocol_letter(struct str name)
{
    static const char *const names[] = {"tcp", "udp", "sctp"};
    if (name.n == 0)
        return 't';
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(name, str_of(names[i])))
            return names[i][0];
    return 0;
}

/* "80/tcp", "80". */
static char port_protocol(struct str key)
{
    size_t slash = str_find(key, '/');
    struct str name = str_skip(key, slash + 1);
    return slash < key.n && name.n == 0 ? 0 : protocol_letter(name);
}

static bool wanted_read(struct str ip, struct str port, struct wanted_ports *out)
{
    size_t dash = str_find(port, '-');
    out->any_ip = ip.n == 0;
    if (ip.n > 0) {
        if (!ip_parse(ip, out->ip))
            return false; /* the daemon would take what it cannot read for every address */
        out->any_ip = ip_is_any(out->ip);
    }
    if (port.n == 0) {
        out->first = out->last = 0;
        return true;
    }
    if (!port_number(str_head(port, dash), &out->first))
        return false;
    out->last = out->first;
    return dash == port.n ||
           (port_number(str_skip(port, dash + 1), &out->last) && out->last >= out->first);
}

/* A port that the proxy itself listens on is nobody's, whatever the role says. port: "8080" or
   "8000-8010"; what cannot be read could be one. proto: 0 when it is not known. */
static enum finding judge_own_port(struct check *check, const struct json_node *at, char proto,
                                   struct str port)
{
    const struct own *own = check->role->own;
    struct wanted_ports wanted;
    if (!own || !own->ports || proto == 'u' || proto == 's')
        return FINDING_PASS;
    bool read = wanted_read(STR(""), port, &wanted);
    if (read ? !port_is_own(check->role, wanted.first, wanted.last) : check->role->unrestricted)
        return FINDING_PASS;
    check->at = at;
    SHOWN(shown, port);
    return refuse_with(check, KEY_PORTS, port, NULL,
                       "takes the host's port \"%s\", and sockwarden itself listens there, or "
                       "cannot tell that it does not",
                       shown);
}

/* While it is learnt what the request needs: the address and the protocol, too. */
static bool learn_port(struct check *check, struct str ip, const struct wanted_ports *wanted)
{
    char text[PORT_TEXT_MAX], range[16];
    snprintf(range, sizeof(range), wanted->first == wanted->last ? "%u" : "%u-%u", wanted->first,
             wanted->last);
    bool bracket = str_find(ip, ':') < ip.n, any = wanted->any_ip || ip.n == 0;
    const char *proto = wanted->proto == 'u' ? "udp" : wanted->proto == 's' ? "sctp" : "tcp";
    int n = snprintf(text, sizeof(text), "%s%.*s%s%s/%s", !any && bracket ? "[" : "",
                     any ? 0 : (int)ip.n, any ? "" : ip.p,
                     any       ? ""
                     : bracket ? "]:"
                               : ":",
                     range, proto);
    return n > 0 && (size_t)n < sizeof(text) &&
           learning_note(check, KEY_PORTS, (struct str){text, (size_t)n});
}

static enum finding judge_binding(struct check *check, struct str key,
                                  const struct json_node *binding)
{
    struct str ip = member_text(check, binding, "HostIp");
    struct str port = member_text(check, binding, "HostPort");
    struct wanted_ports wanted = {.proto = port_protocol(key)};
    if (judge_own_port(check, binding, wanted.proto, port) != FINDING_PASS)
        return FINDING_REFUSE;
    if (check_key(check, KEY_PORTS)->any)
        return FINDING_PASS;
    bool read = wanted.proto != 0 && wanted_read(ip, port, &wanted);
    if (read && wanted.last == 0) { /* the daemon picks one */
        wanted.first = EPHEMERAL_FIRST;
        wanted.last = EPHEMERAL_LAST;
    }
    if (read && ports_allowed(check, &wanted))
        return FINDING_PASS;
    check->at = binding;
    if (read && learn_port(check, ip, &wanted))
        return FINDING_PASS;
    SHOWN(ip_shown, ip);
    SHOWN(port_shown, port);
    if (!read) /* no entry opens it, least of all one of the bare port */
        return refuse_with(
            check, KEY_PORTS, port, "\"containers\": {\"ports\": true}",
            "takes the host's port \"%s%s%s\", which is not a plain address and port", ip_shown,
            ip.n > 0 ? ":" : "", port_shown);
    return refuse(check, KEY_PORTS, port,
                  "takes the host's port \"%s%s%s\", which containers.ports does not allow",
                  ip_shown, ip.n > 0 ? ":" : "", port_shown);
}

/* Each published port is a process of the host, which no limit of the container holds. */
static enum finding judge_port_count(struct check *check, size_t count)
{
    enum { PORTS_MAX = 256 };
    if (count <= PORTS_MAX)
        return FINDING_PASS;
    return refuse_unless_open(check, STR(""),
                              "publishes %zu ports: more than %d cost the host more than the "
                              "container's limits say",
                              count, (int)PORTS_MAX);
}

static size_t count_bindings(const struct check *check, const struct json_node *ports)
{
    size_t count = 0;
    for (const struct json_node *n = json_child(check->body, ports); n;
         n = json_next(check->body, n))
        count += n->count > 0 ? n->count : 1;
    return count;
}

/* Newer daemons publish a port without bindings, too, and pick one (handlePortBindingsBC). */
static enum finding judge_unbound(struct check *check, const struct json_node *port)
{
    struct wanted_ports wanted = {.any_ip = true,
                                  .first = EPHEMERAL_FIRST,
                                  .last = EPHEMERAL_LAST,
                                  .proto = port_protocol(port->key)};
    if (port->count > 0 || (wanted.proto != 0 && ports_allowed(check, &wanted)))
        return FINDING_PASS;
    check->at = port;
    return refuse(check, KEY_PORTS, STR("32768-60999"),
                  "has no binding, so newer daemons pick a port, and containers.ports holds no "
                  "range for that");
}

enum finding check_ports(struct check *check, const struct json_node *value)
{
    if (judge_port_count(check, count_bindings(check, value)) != FINDING_PASS)
        return FINDING_REFUSE;
    for (const struct json_node *port = json_child(check->body, value); port;
         port = json_next(check->body, port)) {
        if (judge_unbound(check, port) != FINDING_PASS)
            return FINDING_REFUSE;
        for (const struct json_node *binding = json_child(check->body, port); binding;
             binding = json_next(check->body, binding))
            if (judge_binding(check, port->key, binding) != FINDING_PASS)
                return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding check_publish_all(struct check *check, const struct json_node *value)
{
    (void)value;
    struct wanted_ports wanted = {
        .any_ip = true, .first = EPHEMERAL_FIRST, .last = EPHEMERAL_LAST, .proto = 0};
    const struct json_node *exposed = body_at(check, "ExposedPorts");
    if (judge_port_count(check, exposed ? exposed->count : 0) != FINDING_PASS)
        return FINDING_REFUSE;
    if (ports_allowed(check, &wanted))
        return FINDING_PASS;
    return refuse(check, KEY_PORTS, STR("32768-60999"),
                  "is true, and containers.ports holds no range for ports that the daemon picks");
}

/* ---- ports of services ----------------------------------------------------------------------- */

enum { SWARM_FIRST = 30000, SWARM_LAST = 32767 /* ports that the swarm picks from */ };

/* What one entry of EndpointSpec.Ports asks for; false: not to be told. */
static bool service_wants(const struct check *check, const struct json_node *port,
                          struct wanted_ports *out)
{
    const struct json_node *published = json_get(check->body, port, STR("PublishedPort"));
    struct str mode = member_text(check, port, "PublishMode");
    struct str protocol = member_text(check, port, "Protocol");
    bool host = str_is(mode, "host");
    int64_t number = 0;
    if (published && published->kind != JSON_NULL && !json_int(published, &number))
        return false;
    *out = (struct wanted_ports){.any_ip = true,
                                 .first = (unsigned)number,
                                 .last = (unsigned)number,
                                 .proto = protocol_letter(protocol)};
    if (number == 0) {
        out->first = host ? EPHEMERAL_FIRST : SWARM_FIRST;
        out->last = host ? EPHEMERAL_LAST : SWARM_LAST;
    }
    return number >= 0 && number <= UINT16_MAX && out->proto != 0 &&
           (host || mode.n == 0 || str_is(mode, "ingress"));
}

static enum finding judge_service_port(struct check *check, const struct json_node *port)
{
    struct wanted_ports wanted;
    bool read = service_wants(check, port, &wanted);
    const struct json_node *published = json_get(check->body, port, STR("PublishedPort"));
    struct str value = published && published->kind != JSON_NULL ? published->text : STR("");
    char proto = protocol_letter(member_text(check, port, "Protocol"));
    if (judge_own_port(check, published, proto, value) != FINDING_PASS)
        return FINDING_REFUSE;
    if (check_key(check, KEY_PORTS)->any || (read && ports_allowed(check, &wanted)))
        return FINDING_PASS;
    check->at = published ? published : port;
    if (!read)
        return refuse_with(check, KEY_PORTS, value, NULL,
                           "is not a port that this version can read: a number, tcp, udp or sctp, "
                           "and ingress or host");
    if (learn_port(check, STR(""), &wanted))
        return FINDING_PASS;
    char range[32];
    int n = snprintf(range, sizeof(range), wanted.first == wanted.last ? "%u" : "%u-%u",
                     wanted.first, wanted.last);
    return refuse(check, KEY_PORTS, (struct str){range, (size_t)n},
                  "takes the nodes' port %s, which containers.ports does not allow", range);
}

enum finding check_service_ports(struct check *check, const struct json_node *value)
{
    if (judge_port_count(check, value->count) != FINDING_PASS)
        return FINDING_REFUSE;
    for (const struct json_node *port = json_child(check->body, value); port;
         port = json_next(check->body, port))
        if (judge_service_port(check, port) != FINDING_PASS)
            return FINDING_REFUSE;
    return FINDING_PASS;
}
