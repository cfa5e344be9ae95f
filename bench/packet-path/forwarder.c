/*
 * The least a forwarder can be: takes a datagram, looks at a byte of it, and sends it on, a system call
 * for each. What our daemon's cost is compared with.
 *
 *   forwarder LISTEN-PORT NEXT-PORT       both on 127.0.0.1; prints a line when it listens
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  struct sockaddr_in next = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  at.sin_addr.s_addr = next.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int size = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
    perror("forwarder");
    return 1;
  }
  puts("ready");
  fflush(stdout);
  static unsigned char packet[2048];
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &length);
    if (n < 1 || packet[0]-- == 0) continue;
    sendto(fd, packet, n, 0, (struct sockaddr *)&next, sizeof next);
  }
}
