/* Limits of memory, processors, processes and shared memory, and what else of the host's resources
   a container may take. Absent or 0 is no limit: passes unless the key requires one. */
#include "checks.h"
#include "existing.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    CPU_PERIOD_DEFAULT = 100000, /* microseconds: the kernel's, when only a quota is given */
};

static int64_t int_at(const struct check *check, enum place place)
{
    const struct json_node *node = place_node(check, place);
    int64_t value = 0;
    return node && json_int(node, &value) ? value : 0;
}

static enum finding over_max(struct check *check, enum key key, struct str value)
{
    SHOWN(shown, value);
    const struct constraint *constraint = check_key(check, key);
    char max[32];
    if (key == KEY_CPUS)
        snprintf(max, sizeof(max), "%g processors", (double)constraint->max / 1e9);
    else
        snprintf(max, sizeof(max), "%" PRId64, constraint->max);
    return refuse_with(check, key, value, NULL, "is %s, and %s allows %s at most", shown,
                       key_path(key), max);
}

static enum finding refuse_lifting(struct check *check, enum key key, struct str value)
{
    SHOWN(shown, value);
    return refuse_with(check, key, value, NULL,
                       "is %s, which lifts the limit that %s sets or requires", shown,
                       key_path(key));
}

/* Below 0 lifts a limit that the container may have; at create it is no limit, which
   whole_resources judges. */
static bool lifts_required(const struct check *check, enum key key, const struct json_node *node)
{
    int64_t value = -1;
    return check->request->route->op == OP_ContainerUpdate && check_key(check, key)->required &&
           (!json_int(node, &value) || value < 0);
}

/* A limit of its own: below 0 means none, which exceeds any max. */
static enum finding judge_limit(struct check *check, enum key key, const struct json_node *node)
{
    const struct constraint *constraint = check_key(check, key);
    int64_t value = -1;
    if (lifts_required(check, key, node))
        return refuse_lifting(check, key, node->text);
    if (!constraint->has_max)
        return FINDING_PASS;
    if (json_int(node, &value) && value >= 0 && value <= constraint->max)
        return FINDING_PASS;
    return over_max(check, key, node->text);
}

enum finding check_memory(struct check *check, const struct json_node *value)
{
    return judge_limit(check, KEY_MEM_LIMIT, value);
}

/* The daemon gives as much swap as memory when nobody says how much
   (verifyPlatformContainerSettings and adaptContainerSettings in moby's daemon_unix.go). */
static bool swap_is_default(const struct check *check, const struct json_node *value)
{
    int64_t swap = 0;
    int64_t both = 0;
    return check_is_existing(check) && json_int(value, &swap) &&
           !__builtin_mul_overflow(int_at(check, PLACE_MEMORY), (int64_t)2, &both) && swap == both;
}

enum finding check_memory_swap(struct check *check, const struct json_node *value)
{
    if (swap_is_default(check, value))
        return FINDING_PASS;
    return judge_limit(check, KEY_MEM_LIMIT, value);
}

enum finding check_nano_cpus(struct check *check, const struct json_node *value)
{
    return judge_limit(check, KEY_CPUS, value);
}

enum finding check_pids_limit(struct check *check, const struct json_node *value)
{
    return judge_limit(check, KEY_PIDS_LIMIT, value);
}

enum finding check_shm_size(struct check *check, const struct json_node *value)
{
    enum { SHM_DEFAULT = 64 << 20 }; /* what the daemon gives when nobody says how much */
    int64_t size = 0;
    if (check_is_existing(check) && json_int(value, &size) && size == SHM_DEFAULT)
        return FINDING_PASS;
    return judge_limit(check, KEY_SHM_SIZE, value);
}

/* quota microseconds of processor time in each period. */
enum finding check_cpu_quota(struct check *check, const struct json_node *value)
{
    const struct constraint *constraint = check_key(check, KEY_CPUS);
    if (lifts_required(check, KEY_CPUS, value))
        return refuse_lifting(check, KEY_CPUS, value->text);
    if (!constraint->has_max)
        return FINDING_PASS;
    bool update = check->request->route->op == OP_ContainerUpdate;
    int64_t period = int_at(check, PLACE_CPU_PERIOD);
    if (period == 0 && update)
        return refuse_with(check, KEY_CPUS, value->text, NULL,
                           "is given without CpuPeriod, so containers.cpus cannot tell how much "
                           "that is; NanoCpus says it alone");
    if (period == 0)
        period = CPU_PERIOD_DEFAULT;
    int64_t quota = -1;
    int64_t nano = 0;
    int64_t most = 0;
    bool fits = json_int(value, &quota) && quota > 0 && period > 0 &&
                !__builtin_mul_overflow(quota, (int64_t)1000000000, &nano) &&
                !__builtin_mul_overflow(constraint->max, period, &most) && nano <= most;
    return fits ? FINDING_PASS : over_max(check, KEY_CPUS, value->text);
}

/* ---- what must be given ---------------------------------------------------------------------- */

/* The option by which users of docker give it. */
static const char *limit_option(const struct check *check, enum key key)
{
    bool service = check_is_service(check);
    switch (key) {
    case KEY_MEM_LIMIT:
        return service ? "--limit-memory SIZE" : "-m SIZE";
    case KEY_CPUS:
        return service ? "--limit-cpu N" : "--cpus N";
    case KEY_PIDS_LIMIT:
        return service ? "--limit-pids N" : "--pids-limit N";
    default:
        return "--shm-size SIZE";
    }
}

static enum finding require_limit(struct check *check, enum key key, enum place place)
{
    bool by_quota = place == PLACE_CPUS && int_at(check, PLACE_CPU_QUOTA) > 0;
    if (!check_key(check, key)->required || int_at(check, place) > 0 || by_quota)
        return FINDING_PASS;
    check->field = place_path(check, place);
    if (!check->field)
        return refuse_with(check, key, STR(""), NULL,
                           "a service cannot have what %s requires, so no service can be made",
                           key_path(key));
    return refuse_with(check, key, STR(""), NULL, "is not given, and %s requires it; docker: %s",
                       key_path(key), limit_option(check, key));
}

enum finding whole_resources(struct check *check)
{
    check->at = NULL;
    if (require_limit(check, KEY_MEM_LIMIT, PLACE_MEMORY) != FINDING_PASS ||
        require_limit(check, KEY_CPUS, PLACE_CPUS) != FINDING_PASS ||
        require_limit(check, KEY_PIDS_LIMIT, PLACE_PIDS_LIMIT) != FINDING_PASS ||
        require_limit(check, KEY_SHM_SIZE, PLACE_SHM_SIZE) != FINDING_PASS)
        return FINDING_REFUSE;
    const struct json_node *read_only = place_node(check, PLACE_READ_ONLY);
    if (!check_key(check, KEY_READ_ONLY)->required || (read_only && read_only->kind == JSON_TRUE))
        return FINDING_PASS;
    check->field = place_path(check, PLACE_READ_ONLY);
    return refuse_with(check, KEY_READ_ONLY, STR("false"), NULL,
                       "is not true, and containers.read_only requires it; docker: --read-only");
}

/* ---- ContainerUpdate ------------------------------------------------------------------------- */

/* 0 lifts the limit of processes; everywhere else it means unchanged. */
static enum finding update_pids(struct check *check)
{
    const struct json_node *node = body_at(check, "PidsLimit");
    const struct constraint *limit = check_key(check, KEY_PIDS_LIMIT);
    if (!node || node->kind == JSON_NULL || (!limit->has_max && !limit->required))
        return FINDING_PASS;
    int64_t value = 0;
    if (json_int(node, &value) && value > 0)
        return FINDING_PASS; /* judged already */
    check->at = node;
    return refuse_lifting(check, KEY_PIDS_LIMIT, node->text);
}

/* A new period changes what an earlier quota means. */
static enum finding update_period(struct check *check)
{
    if (!check_key(check, KEY_CPUS)->has_max || int_at(check, PLACE_CPU_PERIOD) == 0 ||
        int_at(check, PLACE_CPU_QUOTA) > 0)
        return FINDING_PASS;
    check->at = body_at(check, "CpuPeriod");
    return refuse_with(check, KEY_CPUS, check->at ? check->at->text : STR(""), NULL,
                       "is given without CpuQuota, so containers.cpus cannot tell how much the "
                       "container would get");
}

static enum finding update_restart(struct check *check)
{
    struct str policy = text_at(check, "RestartPolicy.Name");
    if (policy.n == 0 || str_is(policy, "no") || !binds_may_nest(check, true))
        return FINDING_PASS;
    SHOWN(shown, policy); /* a restart resolves sources again */
    check->at = body_at(check, "RestartPolicy.Name");
    return refuse_with(check, KEY_BINDS, policy, NULL,
                       "is \"%s\": the container may mount a path below one that containers can "
                       "write, which goes only with restart policy \"no\"; give the policy when "
                       "the container is created",
                       shown);
}

enum finding whole_update(struct check *check)
{
    if (update_pids(check) != FINDING_PASS || update_period(check) != FINDING_PASS)
        return FINDING_REFUSE;
    return update_restart(check);
}

/* ---- devices and block I/O ------------------------------------------------------------------- */

enum finding check_blkio(struct check *check, const struct json_node *value)
{
    (void)value;
    if (check_key(check, KEY_BLKIO)->any)
        return FINDING_PASS;
    return refuse(check, KEY_BLKIO, STR(""), "is given, and containers.blkio is false");
}

/* Real-time scheduling goes before the host's processes, and past containers.cpus (sched(7)). The
   daemon upper-cases the name, and letters beyond ASCII become others by that. */
bool ulimit_is_realtime(struct str name)
{
    bool ascii = true;
    for (size_t i = 0; i < name.n; i++)
        ascii = ascii && (unsigned char)name.p[i] < 0x80;
    return !ascii || str_ieq(name, STR("rtprio"));
}

static enum finding judge_ulimit(struct check *check, struct str name)
{
    if (!ulimit_is_realtime(name) || written_out(check, KEY_ULIMITS, name))
        return judge(check, KEY_ULIMITS, name);
    SHOWN(shown, name);
    return refuse(check, KEY_ULIMITS, name,
                  "sets \"%s\", which must be written out in containers.ulimits: real-time "
                  "scheduling goes before the host's processes, and past containers.cpus",
                  shown);
}

enum finding check_ulimits(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        check->at = n;
        if (judge_ulimit(check, member_text(check, n, "Name")) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

static enum finding judge_device(struct check *check, struct str path)
{
    if (path_is_normal(path) || check->role->unrestricted)
        return judge(check, KEY_DEVICES, path_trim(path));
    SHOWN(shown, path);
    return refuse_with(check, KEY_DEVICES, path, NULL,
                       "is \"%s\", which is not a plain absolute path", shown);
}

enum finding check_devices(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        const struct json_node *path = json_get(check->body, n, STR("PathOnHost"));
        check->at = path ? path : n;
        if (judge_device(check, member_text(check, n, "PathOnHost")) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

enum finding check_device_rules(struct check *check, const struct json_node *value)
{
    return judge_each(check, KEY_DEVICE_CGROUP_RULES, value);
}

enum finding check_device_requests(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        struct str driver = member_text(check, n, "Driver");
        check->at = n;
        if (key_passes(check, KEY_DEVICE_REQUESTS, driver))
            continue;
        SHOWN(shown, driver);
        return refuse(check, KEY_DEVICE_REQUESTS, driver,
                      "asks the device driver \"%s\", which containers.device_requests does not "
                      "allow",
                      shown);
    }
    return FINDING_PASS;
}
