/* THE body-field table, by operation. The rows stand in fields_*.c, one file for each kind of
   object. Every operation with a JSON body is here. */
#include "fields.h"

// clang-format off
static const struct body_schema *const schemas[OP_COUNT] = {
    [OP_ContainerCreate] = &schema_container_create,
    [OP_ContainerUpdate] = &schema_container_update,
    [OP_ContainerExec] = &schema_container_exec,
    [OP_ExecStart] = &schema_exec_start,
    [OP_ImageCommit] = &schema_image_commit,
    [OP_SystemAuth] = &schema_system_auth,
    [OP_CheckpointCreate] = &schema_checkpoint_create,
    [OP_VolumeCreate] = &schema_volume_create,
    [OP_NetworkCreate] = &schema_network_create,
    [OP_NetworkConnect] = &schema_network_connect,
    [OP_NetworkDisconnect] = &schema_network_disconnect,
    [OP_VolumeUpdate] = &schema_volume_update,
    [OP_ServiceCreate] = &schema_service_create,
    [OP_ServiceUpdate] = &schema_service_update,
    [OP_SecretCreate] = &schema_secret_create,
    [OP_SecretUpdate] = &schema_secret_update,
    [OP_ConfigCreate] = &schema_config_create,
    [OP_ConfigUpdate] = &schema_config_update,
    [OP_NodeUpdate] = &schema_node_update,
    [OP_SwarmInit] = &schema_swarm_init,
    [OP_SwarmJoin] = &schema_swarm_join,
    [OP_SwarmUpdate] = &schema_swarm_update,
    [OP_SwarmUnlock] = &schema_swarm_unlock,
    [OP_PluginPull] = &schema_plugin_pull,
    [OP_PluginUpgrade] = &schema_plugin_upgrade,
    [OP_PluginSet] = &schema_plugin_set,
};
// clang-format on

const struct body_schema *schema_find(enum operation op)
{
    return (unsigned)op < OP_COUNT ? schemas[op] : NULL;
}
