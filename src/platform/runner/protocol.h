/* protocol.h - what hub and helper say to each other over their SOCK_SEQPACKET pair: one fixed record per packet.
 *
 * The helper is root and believes nothing: a packet is taken only when its kind may come from that side, its length is exactly
 * that of its kind, every text ends inside its field with zeroes behind, names match their pattern, and numbers lie in
 * their range. There are no paths, no argument lists and no environments to get wrong. Both ends are the same program file, so
 * the records are plain C structs; `magic` changes with their layout and refuses a mixture of versions.
 *
 * To add a message: a row in CR_MESSAGE_TABLE, its struct, its checks in protocol.c.
 */
#ifndef CR_PLATFORM_RUNNER_PROTOCOL_H
#define CR_PLATFORM_RUNNER_PROTOCOL_H

#include "platform/daemon/config.h"
#include "platform/identity/folders.h"
#include "platform/identity/provider.h"
#include "platform/identity/role.h"
#include "platform/identity/service.h"
#include "platform/runner/profile.h"
#include "platform/runner/runner.h"

/*    name             struct               from the hub? */
#define CR_MESSAGE_TABLE(X)                                     \
    X(CONFIG,          cr_msg_config,       false)              \
    X(PROVIDER,        cr_msg_provider,     false)              \
    X(SERVICE,         cr_msg_service,      false)              \
    X(EVENT,           cr_msg_event,        false)              \
    X(START,           cr_msg_start,        true)               \
    X(STOP,            cr_msg_stop,         true)               \
    X(LIST,            cr_msg_list,         true)               \
    X(ACK,             cr_msg_ack,          true)               \
    X(REMOVE_ACCOUNT,  cr_msg_remove,       true)               \
    X(PROFILES,        cr_msg_profiles,     false)              \
    X(ROLE,            cr_msg_role,         false)              \
    X(MEASURE,         cr_msg_measure,      true)

typedef enum cr_msg_kind {
#define X(name, type, from_hub) CR_MSG_##name,
    CR_MESSAGE_TABLE(X)
#undef X
    CR_MSG_COUNT
} cr_msg_kind;

/* How the names of a cluster's processes begin; no server of a person has such a name. */
#define CR_CLUSTER_SERVER "dask-"

enum { CR_MSG_MAGIC = 0x4352000D, CR_GRACE_MAX_MS = 600000, CR_PROFILES_PIECE = 4096 };

typedef struct cr_msg_head { uint32_t magic, kind; } cr_msg_head;

/* So many PROVIDER, then SERVICE, then ROLE follow, then PROFILES with the text of the file in pieces; -1: there is no such file. */
typedef struct cr_msg_config { cr_msg_head head; int32_t n_providers, n_services, n_roles, profiles_bytes; cr_config config; } cr_msg_config;
typedef struct cr_msg_provider { cr_msg_head head; cr_provider provider; } cr_msg_provider;
typedef struct cr_msg_service { cr_msg_head head; cr_service service; } cr_msg_service;
typedef struct cr_msg_role { cr_msg_head head; cr_role role; } cr_msg_role;
typedef struct cr_msg_profiles { cr_msg_head head; uint32_t bytes; char text[CR_PROFILES_PIECE]; } cr_msg_profiles;
typedef struct cr_msg_event { cr_msg_head head; cr_runner_event event; } cr_msg_event;
typedef struct cr_msg_start {
    cr_msg_head head;
    cr_server_id id;
    cr_server_limits limits;      /* of a person's server: what the hub believes; the helper takes no more than the profile gives */
    cr_profile_asked profile;     /* zeroes for a cluster's process */
    uint64_t disk_bytes;          /* limit of the person's home, for file systems that enforce it; 0: none. Zero for a worker, which changes nothing */
    char user[256];
    char token[CR_RUNNER_TOKEN_LEN + 1];
    uint32_t folders;             /* the person's common folders: a bit for each place in the setting group-folders */
    uint32_t cleaning;            /* 1: for freeing space only: terminals and files, no kernels */
    cr_dask_start dask;
} cr_msg_start;
typedef struct cr_msg_stop { cr_msg_head head; uint32_t grace_ms; cr_server_id id; } cr_msg_stop;
typedef struct cr_msg_list { cr_msg_head head; } cr_msg_list;
typedef struct cr_msg_ack { cr_msg_head head; cr_server_id id; } cr_msg_ack;   /* the hub has recorded the exited event */
typedef struct cr_msg_remove { cr_msg_head head; uint32_t purge; char account[CR_RUNNER_NAME_MAX + 1]; } cr_msg_remove;
typedef struct cr_msg_measure { cr_msg_head head; char account[CR_RUNNER_NAME_MAX + 1]; } cr_msg_measure;   /* DISK follows, unless the helper ends */

typedef union cr_msg {
    cr_msg_head head;
#define X(name, type, from_hub) type as_##type;
    CR_MESSAGE_TABLE(X)
#undef X
} cr_msg;

const char *cr_msg_name(uint32_t kind);                   /* "START"; "?" outside the table */
/* Zeroes what is sent of this kind (also its padding) and sets the head. */
void cr_msg_init(cr_msg *msg, cr_msg_kind kind);
size_t cr_msg_size(const cr_msg *msg);

/* bytes: one packet as received. */
cr_status cr_msg_check(const void *bytes, size_t n, bool from_hub, cr_err *err) CR_MUST_USE;

/* [a-z][a-z0-9-]{0,31}, not ending in '-': a DNS label and half of a Linux user name. */
bool cr_account_is_valid(const char *account);
/* The same pattern, or "". */
bool cr_server_name_is_valid(const char *server);

/* Receives and checks one packet. *ret_msg gets the whole record of its kind, and nothing behind it. CR_NO_FILE: the other side has closed. */
cr_status cr_msg_receive(int fd, bool from_hub, cr_msg *ret_msg, cr_err *err) CR_MUST_USE;
/* Sends without waiting; CR_BUSY when the socket is full. */
cr_status cr_msg_send(int fd, const cr_msg *msg, cr_err *err) CR_MUST_USE;

#endif
