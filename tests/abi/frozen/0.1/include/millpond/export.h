/* Symbol visibility for libmillpond. Included by every public header. */
#ifndef MILLPOND_EXPORT_H
#define MILLPOND_EXPORT_H

#if defined(POND_STATIC)
#define POND_API
#elif defined(_WIN32)
#if defined(POND_BUILDING)
#define POND_API __declspec(dllexport)
#else
#define POND_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define POND_API __attribute__((visibility("default")))
#else
#define POND_API
#endif

#endif /* MILLPOND_EXPORT_H */
