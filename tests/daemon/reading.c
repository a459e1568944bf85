/* What the policy engine understands of requests, for the differential tests. Usage:
 *
 *     reading POLICY.json < requests
 *
 * A request is a line "METHOD TARGET_BYTES BODY_BYTES" (-1: no body), then the bytes of both. Each
 * is answered by one line of JSON: operation, names, parameters and image as read, the body written
 * anew from what was scanned, and the verdict of every role of the file and of builtin:all. It
 * judges nothing itself and talks to nobody. */
#include "schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OUT_MAX = 8 << 20, IN_MAX = 4 << 20 };

static void die(const char *why)
{
    fprintf(stderr, "reading: %s\n", why);
    exit(2);
}

/* ---- JSON out -------------------------------------------------------------------------------- */

static void put_value(struct json_out *out, const struct json *doc, const struct json_node *node);

static void put_children(struct json_out *out, const struct json *doc, const struct json_node *node)
{
    bool object = node->kind == JSON_OBJECT;
    json_out_open(out, object ? '{' : '[');
    for (const struct json_node *n = json_child(doc, node); n; n = json_next(doc, n)) {
        if (object) {
            json_out_str(out, n->key);
            json_out_raw(out, STR(":"));
            out->comma = false;
        }
        put_value(out, doc, n);
    }
    json_out_close(out, object ? '}' : ']');
}

static void put_word(struct json_out *out, struct str word)
{
    if (out->comma)
        json_out_raw(out, STR(","));
    json_out_raw(out, word);
}

static void put_value(struct json_out *out, const struct json *doc, const struct json_node *node)
{
    static const char *const words[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
    switch (node->kind) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        put_word(out, str_of(words[node->kind]));
        break;
    case JSON_NUMBER:
        put_word(out, node->text);
        break;
    case JSON_STRING:
        json_out_str(out, node->text);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        put_children(out, doc, node);
        break;
    }
}

static void put_bool(struct json_out *out, const char *name, bool value)
{
    json_out_key(out, name);
    put_word(out, value ? STR("true") : STR("false"));
}

static void put_text(struct json_out *out, const char *name, struct str value)
{
    json_out_key(out, name);
    json_out_str(out, value);
}

/* ---- what was understood --------------------------------------------------------------------- */

static void put_refusal(struct json_out *out, const struct decision *decision)
{
    json_out_key(out, "refused");
    json_out_open(out, '{');
    json_out_key(out, "status");
    json_out_int(out, decision->status);
    put_text(out, "reason", str_of(decision->reason));
    json_out_close(out, '}');
}

static void put_image(struct json_out *out, struct str text, struct arena *arena)
{
    struct image_ref ref;
    json_out_key(out, "image");
    json_out_open(out, '{');
    put_text(out, "text", text);
    put_bool(out, "id", image_is_id(text));
    bool valid = image_parse(text, arena, &ref);
    put_bool(out, "valid", valid);
    if (valid) {
        put_text(out, "registry", ref.registry);
        put_text(out, "repository", ref.repository);
        put_text(out, "name", ref.name);
        put_text(out, "tag", ref.tag);
        put_text(out, "digest", ref.digest);
    }
    json_out_close(out, '}');
}

static void put_request(struct json_out *out, const struct request *request)
{
    char target[TARGET_MAX * 3 + 64];
    size_t n = 0;
    put_text(out, "operation", str_of(operation_name(request->route->op)));
    put_bool(out, "versioned", request->versioned);
    json_out_key(out, "minor");
    json_out_int(out, request->api_minor);
    put_text(out, "name", request->name);
    put_text(out, "name2", request->name2);
    json_out_key(out, "params");
    json_out_open(out, '{');
    for (size_t i = 0; i < request->param_count; i++) {
        const struct param *param = &request->params[i];
        json_out_key(out, param->row->name);
        json_out_open(out, '{');
        put_text(out, "value", param->value);
        put_bool(out, "false", param_false(param->value));
        json_out_close(out, '}');
    }
    json_out_close(out, '}');
    if (request_target(request, target, sizeof(target), &n))
        put_text(out, "target", (struct str){target, n});
}

static void put_body(struct json_out *out, const struct request *request, struct arena *arena)
{
    struct json doc;
    struct err err = {0};
    bool read = json_scan(request->body, arena, &doc, &err);
    json_out_key(out, read ? "body" : "body_error");
    if (!read) {
        json_out_str(out, str_of(err.text));
        return;
    }
    put_value(out, &doc, doc.nodes);
    const struct json_node *image = json_get(&doc, doc.nodes, STR("Image"));
    if (image && image->kind == JSON_STRING)
        put_image(out, image->text, arena);
}

/* What the tests' daemon says: containers are harmless, its image runs as root, volumes and
   networks of these names are not there, and paths are nothing yet. */
static void answer(struct fact *fact)
{
    static const char *const known[FACT_KIND_COUNT] = {
        [FACT_CONTAINER] =
            "{\"Id\":\"0000000000000000000000000000000000000000000000000000000000000000"
            "\",\"Name\":\"/c\",\"Image\":\"sha256:0\",\"Config\":{\"Image\":\"busybox:test\"}"
            ",\"HostConfig\":{},\"Mounts\":[]}",
        [FACT_IMAGE] = "{\"Id\":\"sha256:0\",\"Config\":{\"User\":\"\"}}",
        [FACT_HOST_PATH] = "{\"State\":\"none\"}",
        [FACT_OWN_EXEC] = "{\"Own\":true}",
    };
    const char *text = known[fact->kind];
    fact->state = text ? FACT_FOUND : FACT_MISSING;
    fact->text = str_of(text ? text : "");
}

static void put_verdict(struct json_out *out, const struct role *role,
                        const struct request *request, struct arena *arena)
{
    struct decision decision;
    struct facts facts = {.arena = arena};
    policy_decide(role, request, &facts, arena, &decision);
    for (int round = 0; decision.verdict == VERDICT_NEED && round < FACT_ROUNDS_MAX; round++) {
        for (size_t i = 0; i < facts.count; i++)
            if (facts.items[i].state == FACT_WANTED)
                answer(&facts.items[i]);
        policy_decide(role, request, &facts, arena, &decision);
    }
    put_text(out, role_name(role),
             str_of(decision.verdict == VERDICT_ALLOW  ? ""
                    : decision.verdict == VERDICT_NEED ? "needs to know more"
                                                       : decision.reason));
}

static void read_request(struct json_out *out, const struct policy *policy, struct str method,
                         struct str target, struct str body)
{
    static struct request request;
    struct arena arena = {0};
    struct decision decision;
    json_out_open(out, '{');
    if (!request_parse(method, target, &arena, &request, &decision)) {
        put_refusal(out, &decision);
    } else {
        request.body = body;
        put_request(out, &request);
        if (body.p)
            put_body(out, &request, &arena);
        struct str pulled = request_param(&request, "fromImage");
        if (pulled.p)
            put_image(out, pulled, &arena);
        json_out_key(out, "verdicts");
        json_out_open(out, '{');
        for (size_t i = 0; i < policy->file_roles; i++)
            put_verdict(out, policy_role_at(policy, i), &request, &arena);
        put_verdict(out, policy_role(policy, STR("builtin:all")), &request, &arena);
        json_out_close(out, '}');
    }
    json_out_close(out, '}');
    arena_free(&arena);
}

/* ---- in and out ------------------------------------------------------------------------------ */

static struct str take(long count)
{
    if (count < 0)
        return (struct str){NULL, 0};
    if (count > IN_MAX)
        die("too long");
    char *p = malloc((size_t)count + 1);
    if (!p || fread(p, 1, (size_t)count, stdin) != (size_t)count)
        die("cut short");
    return (struct str){p, (size_t)count};
}

static struct policy *load(const char *path)
{
    static char text[1 << 20];
    struct err_list errors = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        die("no policy file");
    size_t n = fread(text, 1, sizeof(text), file);
    fclose(file);
    struct policy *policy = policy_load((struct str){text, n}, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s:%d: %s\n", path, errors.items[i].err.line, errors.items[i].err.text);
    err_list_free(&errors);
    return policy;
}

int main(int argc, char **argv)
{
    struct policy *policy = argc == 2 ? load(argv[1]) : NULL;
    char *buffer = malloc(OUT_MAX);
    char line[128], method[32];
    long target_bytes, body_bytes;
    if (!policy || !buffer)
        die("usage: reading POLICY.json < requests");
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%31s %ld %ld", method, &target_bytes, &body_bytes) != 3)
            die("not a request line");
        struct str target = take(target_bytes);
        struct str body = take(body_bytes);
        struct json_out out = {.p = buffer, .cap = OUT_MAX};
        read_request(&out, policy, str_of(method), target, body);
        if (out.len > out.cap)
            die("answer too long");
        fwrite(buffer, 1, out.len, stdout);
        putchar('\n');
        free((void *)(uintptr_t)target.p);
        free((void *)(uintptr_t)body.p);
    }
    policy_free(policy);
    free(buffer);
    return 0;
}
