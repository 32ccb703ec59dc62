#include "millpond/millpond.h"

#define TEXT_OF(number) #number
#define DOTTED(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *pond_version(void)
{
    return DOTTED(POND_VERSION_MAJOR, POND_VERSION_MINOR, POND_VERSION_PATCH);
}
