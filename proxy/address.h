/* Addresses as the command line writes them. */
#ifndef PROXY_ADDRESS_H
#define PROXY_ADDRESS_H

#include "base.h"

#include <sys/socket.h>

/* Reads "127.0.0.1:2375" or "[::1]:2375": an IP and a port from 1 to 65535, no names. */
bool address_parse_tcp(const char *text, struct sockaddr_storage *out, socklen_t *length,
                       bool *loopback);

/* The path of "unix:///path", or NULL. */
const char *address_unix_path(const char *address);

#endif
