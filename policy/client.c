/* Which entry of `clients` somebody is: the first one whose every key holds for what the listener
   knows of him. What is not known matches nothing. It looks nothing up and allocates nothing. */
#include "client.h"

char client_san_kind(struct str san, struct str *rest)
{
    static const char *const prefixes[] = {"DNS:", "URI:", "IP:", "email:"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(san, str_of(prefixes[i]))) {
            *rest = str_skip(san, strlen(prefixes[i]));
            return prefixes[i][0];
        }
    return 0;
}

/* ---- what is known of the peer, read once ---------------------------------------------------- */

struct peer {
    const struct policy *policy;
    const struct client_identity *identity;
    bool has_address;
    struct cidr address; /* all bits */
};

static bool read_address(struct str text, struct cidr *out)
{
    out->bits = 128;
    return text.n > 0 && ip_parse(text, out->ip);
}

/* ---- one value ------------------------------------------------------------------------------- */

static bool text_matches(const struct client_value *value, struct str text)
{
    return text.p && glob_match(value->text, text);
}

/* The pattern is in lower case already. */
static bool folded_matches(const struct client_value *value, struct str text)
{
    char lower[CLIENT_FOLDED_MAX];
    if (!text.p || text.n > sizeof lower)
        return false;
    for (size_t i = 0; i < text.n; i++)
        lower[i] = ascii_lower(text.p[i]);
    return glob_match(value->text, (struct str){lower, text.n});
}

static bool san_matches(const struct client_value *value, struct str san)
{
    struct str rest = {NULL, 0};
    struct cidr address;
    if (client_san_kind(san, &rest) != value->san)
        return false;
    switch (value->san) {
    case 'D':
    case 'e':
        return folded_matches(value, rest);
    case 'I':
        return read_address(rest, &address) && cidr_holds(&value->cidr, &address);
    case 'U':
        return text_matches(value, rest);
    default:
        return false;
    }
}

static bool any_san_matches(const struct client_value *value,
                            const struct client_identity *identity)
{
    for (size_t i = 0; i < identity->cert_san_count; i++)
        if (san_matches(value, identity->cert_sans[i]))
            return true;
    return false;
}

static bool label_matches(const struct client_identity *identity, struct str key,
                          const struct client_value *value)
{
    for (size_t i = 0; i < identity->container_label_count; i++)
        if (str_eq(identity->container_labels[i].key, key))
            return !value->text.p || text_matches(value, identity->container_labels[i].value);
    return false;
}

static bool value_holds(enum client_key key, const struct client_value *value,
                        const struct peer *peer)
{
    const struct client_identity *identity = peer->identity;
    switch (key) {
    case CLIENT_CERT_CN:
        return text_matches(value, identity->cert_cn);
    case CLIENT_CERT_OU:
        return text_matches(value, identity->cert_ou);
    case CLIENT_CERT_SAN:
        return any_san_matches(value, identity);
    case CLIENT_CERT_SPKI:
        return identity->cert_spki.p && str_ieq(value->text, identity->cert_spki);
    case CLIENT_UID:
        return identity->unix_peer && identity->uid == value->id;
    case CLIENT_GID:
        return identity->unix_peer && identity->gid == value->id;
    case CLIENT_ADDRESS:
        return peer->has_address && cidr_holds(&value->cidr, &peer->address);
    case CLIENT_LISTENER:
        return text_matches(value, identity->listener);
    case CLIENT_CONTAINER_NAME:
        return text_matches(value, identity->container_name);
    case CLIENT_CONTAINER_LABEL:
        return label_matches(identity, value->label, value);
    case CLIENT_CONTAINER_IMAGE:
        return text_matches(value, identity->container_image) ||
               text_matches(value, identity->container_image_id);
    case CLIENT_COMPOSE_PROJECT:
        return label_matches(identity, STR("com.docker.compose.project"), value);
    case CLIENT_COMPOSE_SERVICE:
        return label_matches(identity, STR("com.docker.compose.service"), value);
    case CLIENT_KEY_COUNT:
        break;
    }
    return false;
}

/* ---- an entry -------------------------------------------------------------------------------- */

static bool condition_holds(const struct client_condition *condition, const struct peer *peer)
{
    for (size_t i = 0; i < condition->count; i++)
        if (value_holds(condition->key, &condition->values[i], peer))
            return true;
    return false;
}

static bool client_matches(const struct client *client, const struct peer *peer)
{
    for (size_t i = 0; i < client->condition_count; i++)
        if (!condition_holds(&client->conditions[i], peer))
            return false;
    return client->condition_count > 0;
}

static bool entry_matches_peer(size_t number, const void *arg)
{
    const struct peer *peer = arg;
    return client_matches(&peer->policy->clients[number], peer);
}

/* SIZE_MAX: none. */
static size_t first_match(const struct policy *policy, const struct peer *peer)
{
    if (policy->client_index)
        return client_index_first(policy->client_index, peer->identity, entry_matches_peer, peer);
    for (size_t i = 0; i < policy->client_count; i++)
        if (client_matches(&policy->clients[i], peer))
            return i;
    return SIZE_MAX;
}

struct client_role policy_client(const struct policy *policy,
                                 const struct client_identity *identity)
{
    struct peer peer = {.policy = policy, .identity = identity};
    peer.has_address = read_address(identity->address, &peer.address);
    size_t first = first_match(policy, &peer);
    if (first == SIZE_MAX)
        return (struct client_role){.role = policy->default_role};
    return (struct client_role){.client = policy->clients[first].name,
                                .role = policy->clients[first].role};
}

/* What holds of an entry without its container. */
enum part { PART_NO, PART_MATCHES, PART_ASKS };

static enum part part_of(const struct client *client, const struct peer *peer)
{
    enum part part = PART_MATCHES;
    for (size_t i = 0; i < client->condition_count; i++) {
        const struct client_condition *condition = &client->conditions[i];
        if (client_key_asks_container(condition->key))
            part = PART_ASKS;
        else if (peer->identity && !condition_holds(condition, peer))
            return PART_NO;
    }
    return part;
}

bool policy_needs_container(const struct policy *policy, const struct client_identity *identity)
{
    struct peer peer = {.identity = identity};
    if (identity && !policy->asks_container)
        return false;
    if (identity)
        peer.has_address = read_address(identity->address, &peer.address);
    for (size_t i = 0; i < policy->client_count; i++) {
        enum part part = part_of(&policy->clients[i], &peer);
        if (part == PART_ASKS)
            return true;
        if (part == PART_MATCHES && identity)
            return false;
    }
    return false;
}

size_t policy_client_count(const struct policy *policy)
{
    return policy->client_count;
}

const char *policy_client_name(const struct policy *policy, size_t index)
{
    return index < policy->client_count ? policy->clients[index].name : NULL;
}

static bool hears(const struct client_condition *condition, const struct str *listeners,
                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < condition->count; k++)
            if (text_matches(&condition->values[k], listeners[i]))
                return true;
    return false;
}

const char *policy_client_unheard(const struct policy *policy, size_t index,
                                  const struct str *listeners, size_t count)
{
    const struct client *client = &policy->clients[index];
    for (size_t i = 0; i < client->condition_count; i++)
        if (client->conditions[i].key == CLIENT_LISTENER &&
            !hears(&client->conditions[i], listeners, count))
            return client->name;
    return NULL;
}
