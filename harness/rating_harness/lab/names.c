/* The lab's names, where no hosts file of the lab's own can be mounted: preloaded into Kamailio and SIPp.

   RATING_HOSTS names a file like hosts(5). A name that is in it is handed on as the address it stands for, to the C
   library's own function; any other name is handed on as it is. The file is read at each question, and nothing is kept
   between two of them: an http_async_client's worker has a thread for each name that it asks for at the same time
   (libcurl's threaded resolver), and the file grows while they run. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The first address of that family, or of any (AF_UNSPEC), that the name has in the file; the name if there is none. */
static const char *meant(const char *name, int family, char address[INET6_ADDRSTRLEN]) {
	const char *found = name, *path = getenv("RATING_HOSTS");
	FILE *file = name && path ? fopen(path, "re") : 0;
	char *line = 0, *rest, *word, octets[sizeof(struct in6_addr)];
	size_t size = 0;
	if (!file) return name;
	while (found == name && getline(&line, &size, file) >= 0) {
		line[strcspn(line, "#\r\n")] = 0;
		char *first = strtok_r(line, " \t", &rest);
		int of = first && strchr(first, ':') ? AF_INET6 : AF_INET;
		if (!first || (family != AF_UNSPEC && family != of) || inet_pton(of, first, octets) != 1) continue;
		while (found == name && (word = strtok_r(0, " \t", &rest)))
			if (!strcasecmp(word, name)) found = strcpy(address, first);
	}
	free(line);
	fclose(file);
	return found;
}

#define CLIBRARY(result, name, ...) ((result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int getaddrinfo(const char *name, const char *service, const struct addrinfo *wanted, struct addrinfo **found) {
	char address[INET6_ADDRSTRLEN];
	int family = wanted ? wanted->ai_family : AF_UNSPEC;
	return CLIBRARY(int, "getaddrinfo", const char *, const char *, const struct addrinfo *, struct addrinfo **)(
		meant(name, family, address), service, wanted, found);
}

struct hostent *gethostbyname(const char *name) {
	char address[INET6_ADDRSTRLEN];
	return CLIBRARY(struct hostent *, "gethostbyname", const char *)(meant(name, AF_INET, address));
}

struct hostent *gethostbyname2(const char *name, int family) {
	char address[INET6_ADDRSTRLEN];
	return CLIBRARY(struct hostent *, "gethostbyname2", const char *, int)(meant(name, family, address), family);
}
