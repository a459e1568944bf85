/* Field table: bodies about volumes and networks. What is not here is refused. */
#include "fields.h"

// clang-format off
static const struct field volume_create_fields[] = {
    RULE(1, "Name", T_STRING, check_by_parent, "another's volume, judged with the whole"),
    RULE(1, "Driver", T_STRING, check_volume_driver, "code of a plugin makes the volume"),
    RULE(1, "DriverOpts", T_MAP_STRING, check_volume_options, "any mount, as root of the host"),
    HARM(1, "Labels", T_MAP_STRING, "labels of the volume"),
    OPEN(1, "ClusterVolumeSpec", T_OBJECT, "a volume of the swarm, by a plugin"),
    CLUSTER_VOLUME_ROWS(2),
};

static const struct field volume_update_fields[] = {
    OPEN(1, "Spec", T_OBJECT, "a volume of the swarm, by a plugin"),
    CLUSTER_VOLUME_ROWS(2),
};

static const struct field network_create_fields[] = {
    HARM(1, "CheckDuplicate", T_BOOL, "less than without it"),
    RULE(1, "Name", T_STRING, check_network_name, "may stand before another network"),
    RULE(1, "Driver", T_STRING, check_network_driver, "macvlan and others sit on host interfaces"),
    RULE(1, "Scope", T_STRING, check_network_scope, "swarm reaches other hosts"),
    HARM(1, "EnableIPv4", T_BOOL, "addresses of the daemon's own choice"),
    HARM(1, "EnableIPv6", T_BOOL, "addresses of the daemon's own choice"),
    HOLD(1, "IPAM", T_OBJECT, "addresses"),
    RULE(2, "Driver", T_STRING, check_ipam_driver, "another program hands out addresses"),
    OPEN(2, "Options", T_MAP_STRING, "options of the address driver"),
    HOLD(2, "Config", T_OBJECTS, "address ranges"),
    RULE(3, "Subnet", T_STRING, check_subnet, "captures the host's traffic to that range"),
    RULE(3, "IPRange", T_STRING, check_subnet, "addresses that containers get"),
    RULE(3, "Gateway", T_STRING, check_subnet, "an address of the host"),
    RULE(3, "AuxiliaryAddresses", T_MAP_STRING, check_subnets, "addresses of the host"),
    HARM(1, "Internal", T_BOOL, "less than without it; internal may require it"),
    HARM(1, "Attachable", T_BOOL, "swarm networks, which the driver decides"),
    OPEN(1, "Ingress", T_BOOL, "replaces the swarm's own ingress network"),
    HARM(1, "ConfigOnly", T_BOOL, "only holds settings, which are judged here"),
    HOLD(1, "ConfigFrom", T_OBJECT, "settings of another network"),
    OPEN(2, "Network", T_STRING, "takes settings over that nobody judged"),
    RULE(1, "Options", T_MAP_STRING, check_network_options, "names host interfaces; one broke the default bridge"),
    HARM(1, "Labels", T_MAP_STRING, "labels of the network"),
};

static const struct field network_connect_fields[] = {
    RULE(1, "Container", T_STRING, check_container_name, "which container; an alias may lead elsewhere"),
    HOLD(1, "EndpointConfig", T_OBJECT, "how it joins"),
    ENDPOINT_ROWS(2),
};

static const struct field network_disconnect_fields[] = {
    RULE(1, "Container", T_STRING, check_container_name, "which container; an alias may lead elsewhere"),
    HARM(1, "Force", T_BOOL, "also when it does not run"),
};
// clang-format on

SCHEMA(volume_create, volume_create_fields, VolumeCreate, T_OBJECT, false, NULL, whole_volume);
SCHEMA(volume_update, volume_update_fields, VolumeUpdate, T_OBJECT, false, NULL, NULL);
SCHEMA(network_create, network_create_fields, NetworkCreate, T_OBJECT, false, NULL, whole_network);
SCHEMA(network_connect, network_connect_fields, NetworkConnect, T_OBJECT, false, NULL,
       whole_connect);
SCHEMA(network_disconnect, network_disconnect_fields, NetworkDisconnect, T_OBJECT, false, NULL,
       NULL);
