/* Rules over paths to operations; see import_match.h. The automaton's states are sets of steps,
   made as they are reached. */
#include "import_match.h"

#include <stdio.h>

enum {
    STATES_MAX = 2048,
    CLASSES_MAX = 256,
    PLACES_MAX = 192, /* of a route's path, with its names spelled out */
    BUCKETS = 4096,
    VERSION_MIN = 24,
    VERSION_MAX = 99,
    SET_BYTES_MAX = 24 << 20, /* of all states */
    EXEC_ID_DIGITS = 64,
    NAMES_SHOWN = 4,
};

/* A state: which steps may come next. */
struct state {
    uint64_t *steps;  /* a bit for each */
    uint64_t *at_end; /* a bit for each rule that holds when nothing follows; NULL: not known yet */
    uint16_t *next;   /* by class of byte; 0: not known yet */
    uint16_t bucket_next;
};

struct machine {
    struct import *import;
    struct import_rules *rules;
    struct arena arena; /* of states */
    size_t step_words, rule_words;
    uint8_t class_of[256];
    unsigned char sample[CLASSES_MAX]; /* a byte of each class */
    size_t class_count;
    struct state states[STATES_MAX]; /* 0 stands for none */
    size_t state_count;
    uint16_t buckets[BUCKETS];
    uint32_t *stack; /* of steps, for closures */
    uint64_t *scratch;
    uint64_t *seen; /* states seen at a place, place after place */
    uint16_t *todo; /* pairs of place and state */
    bool full;
};

struct place {
    struct regexp_bytes bytes;
    bool loops; /* any number of these, also none; else exactly one */
    char byte;  /* the only one of bytes; 0: there are more */
};

/* What came of one route behind one prefix. */
enum share { LETS_NONE, LETS_SOME, LETS_ALL };

/* ---- bits ---------------------------------------------------------------------------------- */

static bool bit_get(const uint64_t *bits, size_t at)
{
    return bits[at >> 6] >> (at & 63) & 1;
}

static void bit_set(uint64_t *bits, size_t at)
{
    bits[at >> 6] |= UINT64_C(1) << (at & 63);
}

/* ---- rules --------------------------------------------------------------------------------- */

struct import_rules *import_rules_new(struct import *import, bool versions)
{
    struct import_rules *rules = arena_alloc(&import->arena, 1, sizeof(*rules));
    if (!rules || !regexp_open(&import->arena, &rules->program)) {
        import_note(import, IMPORT_WRONG, 0, "out of memory");
        return NULL;
    }
    rules->versions = versions;
    return rules;
}

/* A rule that forbids cannot be left out, and one that allows opens nothing when it is. */
static bool add_rule(struct import *import, struct import_rules *rules,
                     const struct import_rule *rule, bool added, const struct err *err)
{
    if (added) {
        rules->rules[rules->program.rule_count - 1] = *rule;
        return true;
    }
    import_note(import, rule->allow ? IMPORT_LOST : IMPORT_WRONG, rule->line, "%.*s%s%s",
                STR_ARG(rule->label), rule->label.n ? ": " : "", err->text);
    return rule->allow;
}

bool import_rules_add_regexp(struct import *import, struct import_rules *rules,
                             const struct import_rule *rule, struct str pattern)
{
    struct err err = {.set = false};
    return add_rule(import, rules, rule, regexp_add(&rules->program, pattern, &err), &err);
}

bool import_rules_add_glob(struct import *import, struct import_rules *rules,
                           const struct import_rule *rule, struct str glob)
{
    struct err err = {.set = false};
    return add_rule(import, rules, rule, regexp_add_glob(&rules->program, glob, !rule->allow, &err),
                    &err);
}

static bool takes_method(const struct import_rule *rule, const char *method)
{
    for (size_t i = 0; rule->methods && rule->methods[i]; i++)
        if (strcmp(rule->methods[i], method) == 0)
            return true;
    return !rule->methods;
}

/* ---- states -------------------------------------------------------------------------------- */

/* Bytes that no step tells apart are one class. */
static void find_classes(struct machine *machine)
{
    const struct regexp_program *program = &machine->rules->program;
    machine->class_count = 1;
    for (size_t i = 0; i < program->step_count; i++) {
        const struct regexp_step *step = &program->steps[i];
        int split[CLASSES_MAX];
        bool inside[CLASSES_MAX] = {false}, outside[CLASSES_MAX] = {false};
        if (step->kind != STEP_BYTE || machine->class_count == CLASSES_MAX)
            continue;
        for (size_t c = 0; c < 256; c++)
            if (regexp_has(&step->bytes, (unsigned char)c))
                inside[machine->class_of[c]] = true;
            else
                outside[machine->class_of[c]] = true;
        size_t before = machine->class_count;
        for (size_t at = 0; at < before; at++)
            split[at] = inside[at] && outside[at] ? (int)machine->class_count++ : (int)at;
        for (size_t c = 0; c < 256; c++)
            if (regexp_has(&step->bytes, (unsigned char)c))
                machine->class_of[c] = (uint8_t)split[machine->class_of[c]];
    }
    for (size_t c = 0; c < 256; c++)
        machine->sample[machine->class_of[c]] = (unsigned char)c;
}

/* Adds the steps that are reached without a byte. */
static void close_over(struct machine *machine, uint64_t *set, size_t depth, bool begin, bool end)
{
    const struct regexp_program *program = &machine->rules->program;
    while (depth > 0) {
        const struct regexp_step *step = &program->steps[machine->stack[--depth]];
        uint32_t ways[2] = {step->next, step->other};
        size_t count = step->kind == STEP_SPLIT                                                 ? 2
                       : (step->kind == STEP_BEGIN && begin) || (step->kind == STEP_END && end) ? 1
                                                                                                : 0;
        for (size_t i = 0; i < count; i++)
            if (!bit_get(set, ways[i])) {
                bit_set(set, ways[i]);
                machine->stack[depth++] = ways[i];
            }
    }
}

static uint64_t hash_of(const uint64_t *words, size_t count)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < count; i++) {
        hash ^= words[i];
        hash *= UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    return hash;
}

/* The state of the set in scratch; 0: there are too many. */
static uint16_t find_state(struct machine *machine)
{
    uint16_t *bucket = &machine->buckets[hash_of(machine->scratch, machine->step_words) % BUCKETS];
    size_t bytes = machine->step_words * sizeof(uint64_t);
    for (uint16_t at = *bucket; at; at = machine->states[at].bucket_next)
        if (memcmp(machine->states[at].steps, machine->scratch, bytes) == 0)
            return at;
    machine->full |= machine->state_count == STATES_MAX;
    if (machine->full)
        return 0;
    struct state *state = &machine->states[machine->state_count];
    state->steps = arena_alloc(&machine->arena, machine->step_words, sizeof(uint64_t));
    state->next = arena_alloc(&machine->arena, machine->class_count, sizeof(uint16_t));
    machine->full |= !state->steps || !state->next;
    if (machine->full)
        return 0;
    memcpy(state->steps, machine->scratch, bytes);
    state->bucket_next = *bucket;
    *bucket = (uint16_t)machine->state_count;
    return (uint16_t)machine->state_count++;
}

static uint16_t first_state(struct machine *machine)
{
    const struct regexp_program *program = &machine->rules->program;
    size_t depth = 0;
    memset(machine->scratch, 0, machine->step_words * sizeof(uint64_t));
    for (size_t i = 0; i < program->rule_count; i++) {
        if (bit_get(machine->scratch, program->starts[i]))
            continue;
        bit_set(machine->scratch, program->starts[i]);
        machine->stack[depth++] = program->starts[i];
    }
    close_over(machine, machine->scratch, depth, true, false);
    return find_state(machine);
}

static uint16_t next_state(struct machine *machine, uint16_t from, unsigned char byte)
{
    const struct regexp_program *program = &machine->rules->program;
    struct state *state = &machine->states[from];
    uint8_t class = machine->class_of[byte];
    if (from == 0 || state->next[class])
        return from ? state->next[class] : 0;
    size_t depth = 0;
    memset(machine->scratch, 0, machine->step_words * sizeof(uint64_t));
    for (size_t i = 0; i < program->step_count; i++) {
        const struct regexp_step *step = &program->steps[i];
        if (step->kind != STEP_BYTE || !bit_get(state->steps, i) ||
            !regexp_has(&step->bytes, byte) || bit_get(machine->scratch, step->next))
            continue;
        bit_set(machine->scratch, step->next);
        machine->stack[depth++] = step->next;
    }
    close_over(machine, machine->scratch, depth, false, false);
    uint16_t to = find_state(machine);
    state->next[class] = to;
    return to;
}

/* The rules that hold when nothing follows. */
static const uint64_t *rules_at(struct machine *machine, uint16_t at)
{
    const struct regexp_program *program = &machine->rules->program;
    struct state *state = &machine->states[at];
    if (state->at_end)
        return state->at_end;
    uint64_t *out = arena_alloc(&machine->arena, machine->rule_words, sizeof(uint64_t));
    machine->full |= !out;
    if (!out)
        return NULL;
    size_t depth = 0;
    memcpy(machine->scratch, state->steps, machine->step_words * sizeof(uint64_t));
    for (size_t i = 0; i < program->step_count; i++)
        if (bit_get(machine->scratch, i))
            machine->stack[depth++] = (uint32_t)i;
    close_over(machine, machine->scratch, depth, false, true);
    for (size_t i = 0; i < program->step_count; i++)
        if (program->steps[i].kind == STEP_MATCH && bit_get(machine->scratch, i))
            bit_set(out, program->steps[i].rule);
    state->at_end = out;
    return out;
}

/* ---- paths of a route ---------------------------------------------------------------------- */

static struct regexp_bytes bytes_of(const char *characters)
{
    struct regexp_bytes bytes = {{0}};
    for (const char *p = characters; *p; p++)
        bytes.words[(unsigned char)*p >> 6] |= UINT64_C(1) << ((unsigned char)*p & 63);
    return bytes;
}

#define HEX      "0123456789abcdef"
#define LETTERS  HEX "ghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define OF_NAMES LETTERS "_.-"
#define OF_IMAGE OF_NAMES ":@/"

/* Docker's names: two characters or more, the first a letter or digit
   (moby daemon/names/names.go); references of images and plugins have more; execs have IDs only.
   Networks may go by any name; those that do not look like the others are not asked about. */
static size_t spell_name(const struct route *route, bool slash, struct place *out)
{
    size_t n = 0;
    if (str_starts(str_of(route->path), STR("/exec/"))) {
        for (; n < EXEC_ID_DIGITS; n++)
            out[n] = (struct place){bytes_of(HEX), false, 0};
        return n;
    }
    struct regexp_bytes rest = bytes_of(slash ? OF_IMAGE : OF_NAMES);
    out[n++] = (struct place){bytes_of(LETTERS), false, 0};
    out[n++] = (struct place){rest, false, 0};
    out[n++] = (struct place){rest, true, 0};
    return n;
}

/* The number of places; 0: there is no room for them. */
static size_t spell_route(const struct route *route, struct place *out)
{
    size_t n = 0, names = 0;
    for (struct str path = str_of(route->path); path.n > 0;) {
        if (n + EXEC_ID_DIGITS >= PLACES_MAX)
            return 0;
        if (path.p[0] == '{') {
            n += spell_name(route, route->name_slash && names++ == 0, out + n);
            path = str_skip(path, str_find(path, '}') + 1);
            continue;
        }
        char byte[2] = {path.p[0], '\0'};
        out[n++] = (struct place){bytes_of(byte), false, path.p[0]};
        path = str_skip(path, 1);
    }
    return n;
}

struct walk {
    struct machine *machine;
    const struct route *route;
    struct place places[PLACES_MAX];
    size_t count;
    size_t todo; /* pairs that wait */
    bool allowed, forbidden;
    int partly_by; /* the last rule that allowed something; -1: none */
};

static void visit(struct walk *walk, size_t place, uint16_t state)
{
    struct machine *machine = walk->machine;
    size_t at = place * STATES_MAX + state;
    if (state == 0 || bit_get(machine->seen, at))
        return;
    bit_set(machine->seen, at);
    machine->todo[2 * walk->todo] = (uint16_t)place;
    machine->todo[2 * walk->todo++ + 1] = state;
}

/* The first rule of the method that holds decides about the paths that end here. */
static void judge_end(struct walk *walk, uint16_t state)
{
    struct import_rules *rules = walk->machine->rules;
    const uint64_t *hold = rules_at(walk->machine, state);
    for (size_t i = 0; hold && i < rules->program.rule_count; i++) {
        if (!bit_get(hold, i) || !takes_method(&rules->rules[i], walk->route->method))
            continue;
        rules->rules[i].decides = true;
        walk->allowed |= rules->rules[i].allow;
        walk->forbidden |= !rules->rules[i].allow;
        if (rules->rules[i].allow)
            walk->partly_by = (int)i;
        return;
    }
    walk->forbidden = true;
}

static enum share walk_route(struct walk *walk, uint16_t from)
{
    struct machine *machine = walk->machine;
    memset(machine->seen, 0, (walk->count + 1) * (STATES_MAX / 8));
    walk->todo = 0;
    walk->allowed = walk->forbidden = false;
    visit(walk, 0, from);
    while (walk->todo > 0 && !machine->full) {
        size_t at = machine->todo[2 * --walk->todo];
        uint16_t state = machine->todo[2 * walk->todo + 1];
        if (at == walk->count) {
            judge_end(walk, state);
            continue;
        }
        const struct place *place = &walk->places[at];
        if (place->byte) {
            visit(walk, at + 1, next_state(machine, state, (unsigned char)place->byte));
            continue;
        }
        if (place->loops)
            visit(walk, at + 1, state);
        uint64_t done[CLASSES_MAX / 64] = {0};
        for (size_t c = 0; c < 256; c++) {
            uint8_t class = machine->class_of[c];
            if (!regexp_has(&place->bytes, (unsigned char)c) || bit_get(done, class))
                continue;
            bit_set(done, class);
            visit(walk, place->loops ? at : at + 1, next_state(machine, state, (unsigned char)c));
        }
    }
    return machine->full || !walk->allowed ? LETS_NONE : walk->forbidden ? LETS_SOME : LETS_ALL;
}

/* ---- versions ------------------------------------------------------------------------------ */

static uint16_t behind_version(struct machine *machine, uint16_t from, int minor)
{
    char prefix[16];
    snprintf(prefix, sizeof(prefix), "/v1.%d", minor);
    for (const char *p = prefix; *p; p++)
        from = next_state(machine, from, (unsigned char)*p);
    return from;
}

/* The versions whose paths are all let through: the longest run that ends with the newest of them.
   False: none, and *some tells whether a part is. */
static bool versions_of(struct walk *walk, const uint16_t *prefixes, int *min, int *max, bool *some)
{
    enum share verdict = LETS_NONE;
    *min = *max = 0;
    for (int minor = VERSION_MAX; minor >= VERSION_MIN; minor--) {
        int at = minor - VERSION_MIN;
        if (minor == VERSION_MAX || prefixes[at] != prefixes[at + 1])
            verdict = walk_route(walk, prefixes[at]);
        *some |= verdict == LETS_SOME;
        if (verdict == LETS_ALL && (*max == 0 || *min == minor + 1)) {
            *max = *max ? *max : minor;
            *min = minor;
        }
    }
    return *max != 0;
}

/* ---- the whole ----------------------------------------------------------------------------- */

struct outcome {
    bool refused[OP_COUNT], allowed[OP_COUNT];
    int partly_by[OP_COUNT]; /* a rule; -1: not in part */
    int min[OP_COUNT], max[OP_COUNT];
};

static void judge_route(struct walk *walk, const struct route *route, uint16_t start,
                        const uint16_t *prefixes, struct outcome *outcome)
{
    walk->route = route;
    walk->partly_by = -1;
    walk->count = spell_route(route, walk->places);
    walk->machine->full |= walk->count == 0;
    int min = 0, max = 0;
    enum share plain = walk_route(walk, start);
    bool some = plain == LETS_SOME;
    bool all = plain == LETS_ALL;
    if (!all && walk->machine->rules->versions)
        all = versions_of(walk, prefixes, &min, &max, &some);
    outcome->allowed[route->op] |= all;
    outcome->refused[route->op] |= !all;
    outcome->min[route->op] = max && min > outcome->min[route->op] ? min : outcome->min[route->op];
    if (max && (!outcome->max[route->op] || max < outcome->max[route->op]))
        outcome->max[route->op] = max;
    if (!all && some)
        outcome->partly_by[route->op] = walk->partly_by;
}

/* A bound that leaves none of the versions out is none. */
static void set_versions(struct import *import, struct import_role *role, struct outcome *outcome)
{
    for (enum operation op = 0; op < OP_COUNT; op++) {
        int min = outcome->min[op], max = outcome->max[op];
        if (!role->allow[op] || max == 0 || (min == VERSION_MIN && max == VERSION_MAX))
            continue;
        int low = role->api_max && role->api_min > min ? role->api_min : min;
        int high = role->api_max && role->api_max < max ? role->api_max : max;
        if (low > high) {
            role->allow[op] = false;
            import_note(import, IMPORT_LOST, 0,
                        "%s is let through for other API versions than the rest is",
                        operation_name(op));
            continue;
        }
        role->api_min = low;
        role->api_max = high;
    }
    if (role->api_max)
        import_note(import, IMPORT_STRICTER, 0,
                    "the API versions 1.%d to 1.%d of some rules hold for the whole role (api)",
                    role->api_min, role->api_max);
}

static void tell_partly(struct import *import, const struct import_rules *rules,
                        const struct outcome *outcome, size_t rule)
{
    char names[240] = "";
    size_t n = 0, count = 0;
    for (enum operation op = 0; op < OP_COUNT; op++) {
        if (outcome->allowed[op] || outcome->partly_by[op] != (int)rule)
            continue;
        if (count++ < NAMES_SHOWN && n < sizeof(names))
            n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
                                  operation_name(op));
    }
    struct str label = rules->rules[rule].label;
    char more[32] = "";
    if (count > NAMES_SHOWN)
        snprintf(more, sizeof(more), " and %zu more", count - NAMES_SHOWN);
    if (count > 0)
        import_note(import, IMPORT_LOST, rules->rules[rule].line,
                    "%.*s%s%s%s %s let through for some names only; `objects` in "
                    "sockwarden-policy(5) narrows a role to names",
                    STR_ARG(label), label.n ? ": " : "", names, more, count > 1 ? "are" : "is");
}

static void tell_rules(struct import *import, const struct import_rules *rules,
                       const struct outcome *outcome)
{
    for (size_t i = 0; i < rules->program.rule_count; i++) {
        const struct import_rule *rule = &rules->rules[i];
        if (rule->allow && !rule->decides)
            import_note(import, IMPORT_LOST, rule->line, "%.*s%sit lets no operation through",
                        STR_ARG(rule->label), rule->label.n ? ": " : "");
        else if (rule->allow)
            tell_partly(import, rules, outcome, i);
    }
}

static bool open_machine(struct import *import, struct import_rules *rules, struct machine *machine)
{
    const struct regexp_program *program = &rules->program;
    struct arena *arena = &machine->arena;
    machine->import = import;
    machine->rules = rules;
    machine->arena.limit = SET_BYTES_MAX;
    machine->step_words = program->step_count / 64 + 1;
    machine->rule_words = program->rule_count / 64 + 1;
    machine->state_count = 1;
    machine->stack = arena_alloc(arena, program->step_count + 1, sizeof(*machine->stack));
    machine->scratch = arena_alloc(arena, machine->step_words, sizeof(*machine->scratch));
    machine->seen = arena_alloc(arena, PLACES_MAX * STATES_MAX / 64, sizeof(*machine->seen));
    machine->todo = arena_alloc(arena, 2 * (size_t)PLACES_MAX * STATES_MAX, sizeof(*machine->todo));
    find_classes(machine);
    return machine->stack && machine->scratch && machine->seen && machine->todo;
}

static void judge_all(struct machine *machine, struct outcome *outcome)
{
    uint16_t prefixes[VERSION_MAX - VERSION_MIN + 1];
    uint16_t start = first_state(machine);
    for (enum operation op = 0; op < OP_COUNT; op++)
        outcome->partly_by[op] = -1;
    for (int minor = VERSION_MIN; minor <= VERSION_MAX; minor++)
        prefixes[minor - VERSION_MIN] = behind_version(machine, start, minor);
    struct walk *walk = arena_alloc(&machine->arena, 1, sizeof(*walk));
    machine->full |= !walk;
    if (walk)
        walk->machine = machine;
    for (size_t i = 0; i < routes_count && !machine->full; i++)
        judge_route(walk, &routes[i], start, prefixes, outcome);
}

bool import_rules_apply(struct import *import, struct import_rules *rules, struct import_role *role)
{
    struct machine *machine = arena_alloc(&import->arena, 1, sizeof(*machine));
    struct outcome *outcome = arena_alloc(&import->arena, 1, sizeof(*outcome));
    if (!machine || !outcome)
        return import_note(import, IMPORT_WRONG, 0, "out of memory");
    bool good = open_machine(import, rules, machine);
    if (good)
        judge_all(machine, outcome);
    good &= !machine->full;
    arena_free(&machine->arena);
    if (!good)
        return import_note(import, IMPORT_WRONG, 0, "the rules are too large to be read together");
    for (enum operation op = 0; op < OP_COUNT; op++)
        role->allow[op] |= outcome->allowed[op] && !outcome->refused[op];
    tell_rules(import, rules, outcome);
    set_versions(import, role, outcome);
    return true;
}
