/* Packets between proxy and helper; see registry_wire.h. A packet is one byte that says what it is,
   and its fields in a fixed order: numbers little-endian, texts behind four bytes of length. */
#include "registry_wire.h"

#include "trust_source.h"

/* ---- writing ------------------------------------------------------------------------------- */

struct writer {
    char *p;
    size_t len;
    bool bad;
};

static void put_number(struct writer *out, uint64_t value, unsigned bytes)
{
    if (out->len + bytes > REGISTRY_PACKET_MAX) {
        out->bad = true;
        return;
    }
    for (unsigned i = 0; i < bytes; i++)
        out->p[out->len++] = (char)(unsigned char)(value >> (8 * i));
}

static void put_text(struct writer *out, struct str text, size_t max)
{
    if (text.n > max || text.n > REGISTRY_PACKET_MAX || out->len + 4 > REGISTRY_PACKET_MAX ||
        text.n > REGISTRY_PACKET_MAX - out->len - 4) {
        out->bad = true;
        return;
    }
    put_number(out, text.n, 4);
    if (text.n > 0)
        memcpy(out->p + out->len, text.p, text.n);
    out->len += text.n;
}

static struct writer begin(char *p, enum registry_packet kind)
{
    struct writer out = {.p = p};
    put_number(&out, kind, 1);
    return out;
}

static size_t end(const struct writer *out)
{
    return out->bad ? 0 : out->len;
}

size_t registry_write_setup(const struct registry_setup *setup, char *out)
{
    struct writer writer = begin(out, REGISTRY_SETUP);
    put_number(&writer, setup->lines, 4);
    put_number(&writer, setup->uid, 4);
    put_number(&writer, setup->gid, 4);
    put_number(&writer, setup->switches, 1);
    put_number(&writer, setup->sandbox, 1);
    put_number(&writer, setup->seconds, 4);
    const struct str texts[] = {setup->ca,          setup->proxy,
                                setup->direct,      setup->private_hosts,
                                setup->plain_hosts, setup->token_hosts};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        put_text(&writer, texts[i], REGISTRY_LIST_MAX);
    return end(&writer);
}

size_t registry_write_ready(struct str error, char *out)
{
    struct writer writer = begin(out, REGISTRY_READY);
    put_text(&writer, error, REGISTRY_LIST_MAX);
    return end(&writer);
}

size_t registry_write_ask(const struct registry_ask *ask, char *out)
{
    struct writer writer = begin(out, REGISTRY_ASK);
    put_number(&writer, ask->id, 8);
    put_number(&writer, ask->kind, 1);
    put_number(&writer, ask->max, 4);
    put_text(&writer, ask->host, REGISTRY_HOST_MAX);
    put_text(&writer, ask->repository, REGISTRY_NAME_MAX);
    put_text(&writer, ask->reference, REGISTRY_NAME_MAX);
    const struct str texts[] = {ask->login.user, ask->login.password, ask->login.identity,
                                ask->login.token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        put_text(&writer, texts[i], REGISTRY_LOGIN_MAX);
    return end(&writer);
}

size_t registry_write_cancel(uint64_t id, char *out)
{
    struct writer writer = begin(out, REGISTRY_CANCEL);
    put_number(&writer, id, 8);
    return end(&writer);
}

size_t registry_write_head(const struct registry_head *head, char *out)
{
    struct writer writer = begin(out, REGISTRY_HEAD);
    put_number(&writer, head->id, 8);
    put_number(&writer, head->outcome, 1);
    put_number(&writer, head->size, 4);
    put_text(&writer, head->media_type, REGISTRY_TYPE_MAX);
    put_text(&writer, head->digest, REGISTRY_DIGEST_MAX);
    put_text(&writer, head->error, REGISTRY_ERROR_MAX);
    return end(&writer);
}

size_t registry_write_data(const struct registry_data *data, char *out)
{
    struct writer writer = begin(out, REGISTRY_DATA);
    put_number(&writer, data->id, 8);
    put_text(&writer, data->bytes, REGISTRY_DATA_MAX);
    return end(&writer);
}

size_t registry_write_gone(uint32_t status, char *out)
{
    struct writer writer = begin(out, REGISTRY_GONE);
    put_number(&writer, status, 4);
    return end(&writer);
}

/* ---- reading ------------------------------------------------------------------------------- */

struct reader {
    struct str rest;
    bool bad;
};

static uint64_t take_number(struct reader *in, unsigned bytes)
{
    uint64_t value = 0;
    if (in->rest.n < bytes) {
        in->bad = true;
        in->rest.n = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)in->rest.p[i] << (8 * i);
    in->rest = str_skip(in->rest, bytes);
    return value;
}

static bool take_flag(struct reader *in)
{
    uint64_t value = take_number(in, 1);
    in->bad |= value > 1;
    return value == 1;
}

static struct str take_text(struct reader *in, size_t max)
{
    size_t n = (size_t)take_number(in, 4);
    if (in->bad || n > max || n > in->rest.n) {
        in->bad = true;
        return (struct str){NULL, 0};
    }
    struct str text = str_head(in->rest, n);
    in->rest = str_skip(in->rest, n);
    return text;
}

unsigned registry_packet_kind(struct str packet)
{
    return packet.n > 0 ? (unsigned char)packet.p[0] : 0;
}

static struct reader open_packet(struct str packet, enum registry_packet kind)
{
    return (struct reader){
        .rest = str_skip(packet, 1),
        .bad = packet.n > REGISTRY_PACKET_MAX || registry_packet_kind(packet) != kind,
    };
}

/* All has been read, and all was there. */
static bool closed(const struct reader *in)
{
    return !in->bad && in->rest.n == 0;
}

bool registry_read_setup(struct str packet, struct registry_setup *out)
{
    struct reader in = open_packet(packet, REGISTRY_SETUP);
    *out = (struct registry_setup){.lines = 0};
    out->lines = (uint32_t)take_number(&in, 4);
    out->uid = (uint32_t)take_number(&in, 4);
    out->gid = (uint32_t)take_number(&in, 4);
    out->switches = take_flag(&in);
    out->sandbox = take_flag(&in);
    out->seconds = (uint32_t)take_number(&in, 4);
    struct str *const texts[] = {&out->ca,          &out->proxy,
                                 &out->direct,      &out->private_hosts,
                                 &out->plain_hosts, &out->token_hosts};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = take_text(&in, REGISTRY_LIST_MAX);
    return closed(&in) && out->lines >= 1 && out->lines <= REGISTRY_LINES_MAX && out->seconds > 0;
}

bool registry_read_ready(struct str packet, struct str *error)
{
    struct reader in = open_packet(packet, REGISTRY_READY);
    *error = take_text(&in, REGISTRY_LIST_MAX);
    return closed(&in);
}

bool registry_read_ask(struct str packet, struct registry_ask *out)
{
    struct reader in = open_packet(packet, REGISTRY_ASK);
    *out = (struct registry_ask){.id = take_number(&in, 8)};
    out->kind = (unsigned)take_number(&in, 1);
    out->max = (uint32_t)take_number(&in, 4);
    out->host = take_text(&in, REGISTRY_HOST_MAX);
    out->repository = take_text(&in, REGISTRY_NAME_MAX);
    out->reference = take_text(&in, REGISTRY_NAME_MAX);
    struct str *const texts[] = {&out->login.user, &out->login.password, &out->login.identity,
                                 &out->login.token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = take_text(&in, REGISTRY_LOGIN_MAX);
    return closed(&in) && out->kind <= TRUST_REFERRERS && out->max <= REGISTRY_BODY_MAX &&
           out->host.n > 0 && out->repository.n > 0 && out->reference.n > 0;
}

bool registry_read_cancel(struct str packet, uint64_t *id)
{
    struct reader in = open_packet(packet, REGISTRY_CANCEL);
    *id = take_number(&in, 8);
    return closed(&in);
}

bool registry_read_head(struct str packet, struct registry_head *out)
{
    struct reader in = open_packet(packet, REGISTRY_HEAD);
    *out = (struct registry_head){.id = take_number(&in, 8)};
    out->outcome = (unsigned)take_number(&in, 1);
    out->size = (uint32_t)take_number(&in, 4);
    out->media_type = take_text(&in, REGISTRY_TYPE_MAX);
    out->digest = take_text(&in, REGISTRY_DIGEST_MAX);
    out->error = take_text(&in, REGISTRY_ERROR_MAX);
    bool got = out->outcome == TRUST_GOT;
    bool silent = out->outcome == TRUST_GOT || out->outcome == TRUST_ABSENT;
    return closed(&in) && out->outcome <= TRUST_DEAD && out->size <= REGISTRY_BODY_MAX &&
           (got || (out->size == 0 && out->media_type.n == 0 && out->digest.n == 0)) &&
           silent == (out->error.n == 0);
}

bool registry_read_data(struct str packet, struct registry_data *out)
{
    struct reader in = open_packet(packet, REGISTRY_DATA);
    *out = (struct registry_data){.id = take_number(&in, 8)};
    out->bytes = take_text(&in, REGISTRY_DATA_MAX);
    return closed(&in) && out->bytes.n > 0;
}

bool registry_read_gone(struct str packet, uint32_t *status)
{
    struct reader in = open_packet(packet, REGISTRY_GONE);
    *status = (uint32_t)take_number(&in, 4);
    return closed(&in);
}
