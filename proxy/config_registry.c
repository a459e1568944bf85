/* The options of asking registries, checked before anything is opened; see config_read(). */
#include "config.h"

#include "image.h"

static bool check_hosts(const char *option, const char *const *hosts, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!image_registry_valid(str_of(hosts[i])))
            return err_set(err, 0, 0,
                           "--%s %s: expected a host as images name it, in lower case and without "
                           "scheme: registry.example.com or registry.example.com:5000",
                           option, hosts[i]);
    return true;
}

bool config_check_registry(const struct config *config, struct err *err)
{
    struct str proxy = str_of(config->registry_proxy);
    if (proxy.n > 0 && !str_starts(proxy, STR("http://")) && !str_starts(proxy, STR("https://")))
        return err_set(err, 0, 0,
                       "--registry-proxy: expected http://HOST:PORT or https://HOST:PORT");
    if (config->registry_direct_count > 0 && proxy.n == 0)
        return err_set(err, 0, 0,
                       "--registry-direct is an exception to --registry-proxy, which is not given");
    return check_hosts("registry-private", config->registry_private, config->registry_private_count,
                       err) &&
           check_hosts("registry-plain-http", config->registry_plain, config->registry_plain_count,
                       err) &&
           check_hosts("registry-direct", config->registry_direct, config->registry_direct_count,
                       err) &&
           check_hosts("registry-token-host", config->registry_tokens,
                       config->registry_tokens_count, err);
}
