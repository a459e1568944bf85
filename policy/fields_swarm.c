/* Field table: bodies about secrets, configs, nodes and the swarm itself. What is not here is
   refused. Services have a file of their own. */
#include "fields.h"

// clang-format off
#define TEMPLATING_ROWS                                                                            \
    OPEN(1, "Templating", T_OBJECT, "a template is a program that the daemon runs, as root"),      \
    HARM(2, "Name", T_STRING, "reached only when Templating is opened"),                           \
    HARM(2, "Options", T_MAP_STRING, "reached only when Templating is opened")

static const struct field secret_fields[] = {
    RULE(1, "Name", T_STRING, check_by_parent, "stands for another's secret, judged with the whole"),
    HARM(1, "Labels", T_MAP_STRING, "labels of the secret"),
    HIDE(1, "Data", T_STRING, "what the client keeps there"),
    HOLD(1, "Driver", T_OBJECT, "who brings the data"),
    RULE(2, "Name", T_STRING, check_by_parent, "a plugin is asked, judged with the whole"),
    HARM(2, "Options", T_MAP_STRING, "for a driver that is allowed"),
    TEMPLATING_ROWS,
};

static const struct field config_fields[] = {
    RULE(1, "Name", T_STRING, check_by_parent, "stands for another's config, judged with the whole"),
    HARM(1, "Labels", T_MAP_STRING, "labels of the config"),
    HIDE(1, "Data", T_STRING, "what the client keeps there"),
    TEMPLATING_ROWS,
};

static const struct field node_update_fields[] = {
    HARM(1, "Name", T_STRING, "a name for people"),
    HARM(1, "Labels", T_MAP_STRING, "which tasks are placed there"),
    RULE(1, "Role", T_STRING, check_by_parent, "a manager rules the swarm, judged with the whole"),
    HARM(1, "Availability", T_STRING, "moves tasks to other nodes, as removing the node does"),
};

#define CA_NOTE "whoever holds it makes managers"

/* What Go calls swarm.Spec. */
#define SWARM_SPEC_ROWS(d)                                                                         \
    HARM(d, "Name", T_STRING, "a name for people"),                                                \
    HARM(d, "Labels", T_MAP_STRING, "labels of the swarm"),                                        \
    HOLD(d, "Orchestration", T_OBJECT, "how tasks are kept"),                                      \
    HARM((d) + 1, "TaskHistoryRetentionLimit", T_INT, "how many ended tasks are kept"),            \
    HOLD(d, "Raft", T_OBJECT, "how managers agree"),                                               \
    HARM((d) + 1, "SnapshotInterval", T_INT, "how often they write their state"),                  \
    HARM((d) + 1, "KeepOldSnapshots", T_INT, "how many of these are kept"),                        \
    HARM((d) + 1, "LogEntriesForSlowFollowers", T_INT, "how much is kept for slow managers"),      \
    HARM((d) + 1, "ElectionTick", T_INT, "how long they wait for the leader"),                     \
    HARM((d) + 1, "HeartbeatTick", T_INT, "how often the leader speaks"),                          \
    HOLD(d, "Dispatcher", T_OBJECT, "how nodes report"),                                           \
    HARM((d) + 1, "HeartbeatPeriod", T_INT, "how often nodes report"),                             \
    HOLD(d, "CAConfig", T_OBJECT, "who vouches for nodes"),                                        \
    HARM((d) + 1, "NodeCertExpiry", T_INT, "for how long; swarmkit demands an hour at least"),     \
    HOLD((d) + 1, "ExternalCAs", T_OBJECTS, "who vouches for nodes"),                              \
    HARM((d) + 2, "Protocol", T_STRING, "cfssl, the only one"),                                    \
    OPEN((d) + 2, "URL", T_STRING, "a server of the client's choice makes managers"),              \
    HARM((d) + 2, "Options", T_MAP_STRING, "for a URL that is opened"),                            \
    HARM((d) + 2, "CACert", T_STRING, "for a URL that is opened"),                                 \
    SEAL((d) + 1, "SigningCACert", T_STRING, CA_NOTE),                                             \
    SEAL((d) + 1, "SigningCAKey", T_STRING, CA_NOTE),                                              \
    HARM((d) + 1, "ForceRotate", T_INT, "a new key, which the manager makes and keeps"),           \
    HOLD(d, "TaskDefaults", T_OBJECT, "for services that say nothing"),                            \
    LOG_DRIVER_ROWS((d) + 1),                                                                      \
    HOLD(d, "EncryptionConfig", T_OBJECT, "how managers keep their keys"),                         \
    HARM((d) + 1, "AutoLockManagers", T_BOOL, "more than without it; reading the key is SwarmUnlockkey")

/* Where the swarm's own ports are; managers and nodes prove who they are by certificates. */
#define ADDRESS_ROWS                                                                               \
    HARM(1, "ListenAddr", T_STRING, "an address of this host; peers need certificates"),           \
    HARM(1, "AdvertiseAddr", T_STRING, "what it tells peers, who need certificates"),              \
    HARM(1, "DataPathAddr", T_STRING, "an address of this host, for overlay networks")

static const struct field swarm_init_fields[] = {
    ADDRESS_ROWS,
    HARM(1, "DataPathPort", T_INT, "a port of this host, for overlay networks"),
    OPEN(1, "ForceNewCluster", T_BOOL, "takes the swarm from its other managers"),
    HOLD(1, "Spec", T_OBJECT, "how the swarm works"),
    SWARM_SPEC_ROWS(2),
    HARM(1, "AutoLockManagers", T_BOOL, "more than without it; reading the key is SwarmUnlockkey"),
    HARM(1, "Availability", T_STRING, "whether tasks are placed here"),
    RULE(1, "DefaultAddrPool", T_STRINGS, check_subnets, "captures the hosts' traffic to that range"),
    HARM(1, "SubnetSize", T_INT, "how large a part of it each network gets"),
};

static const struct field swarm_join_fields[] = {
    ADDRESS_ROWS,
    RULE(1, "RemoteAddrs", T_STRINGS, check_remotes, "a foreign manager may run anything here"),
    HIDE(1, "JoinToken", T_STRING, "for the manager that is joined"),
    HARM(1, "Availability", T_STRING, "whether tasks are placed here"),
};

static const struct field swarm_update_fields[] = {
    SWARM_SPEC_ROWS(1),
};

static const struct field swarm_unlock_fields[] = {
    HIDE(1, "UnlockKey", T_STRING, "for this daemon's own swarm"),
};
// clang-format on

SCHEMA(secret_create, secret_fields, SecretCreate, T_OBJECT, false, NULL, whole_secret);
SCHEMA(secret_update, secret_fields, SecretUpdate, T_OBJECT, false, NULL, whole_secret);
SCHEMA(config_create, config_fields, ConfigCreate, T_OBJECT, false, NULL, whole_config);
SCHEMA(config_update, config_fields, ConfigUpdate, T_OBJECT, false, NULL, whole_config);
SCHEMA(node_update, node_update_fields, NodeUpdate, T_OBJECT, false, NULL, whole_node);
SCHEMA(swarm_init, swarm_init_fields, SwarmInit, T_OBJECT, false, NULL, NULL);
SCHEMA(swarm_join, swarm_join_fields, SwarmJoin, T_OBJECT, false, NULL, NULL);
SCHEMA(swarm_update, swarm_update_fields, SwarmUpdate, T_OBJECT, false, NULL, NULL);
SCHEMA(swarm_unlock, swarm_unlock_fields, SwarmUnlock, T_OBJECT, false, NULL, NULL);
