/* Connection URLs of any bytes: no crash, and what is reported has no NUL too early. */
#include <stdlib.h>
#include <string.h>

#include "millpond/millpond.h"

static void read_setting(void *data, const char *key, const char *value)
{
    size_t *seen = data;
    *seen += strlen(key) + strlen(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = malloc(size + 1);
    pond_error *error = NULL;
    pond_config *config = NULL;
    size_t seen = 0;
    if (!url)
        return 0;
    memcpy(url, data, size);
    url[size] = '\0';
    int code = pond_url_parse(url, read_setting, &seen, &error);
    if ((code == POND_OK) != (error == NULL) || seen > 8 * size + 64)
        abort();
    pond_error_free(error);
    error = NULL;
    pond_config_from_url(url, &config, &error);
    pond_error_free(error);
    pond_config_release(config);
    free(url);
    return 0;
}
