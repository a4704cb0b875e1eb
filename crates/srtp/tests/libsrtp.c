/* Serves libsrtp over standard input and output, for the test beside it.
 * Arguments: the DTLS number of the profile; master key and salt together in hexadecimal.
 * A request is: operation (p protect RTP, u unprotect RTP, P and U the same for RTCP), length (2 bytes), packet.
 * A response is: srtp_err_status_t (1 byte), length (2 bytes), packet. */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static srtp_t session(int profile, unsigned char *key, srtp_ssrc_type_t direction) {
  srtp_policy_t policy;
  memset(&policy, 0, sizeof policy);
  switch (profile) {
    case 1: srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp); break;
    case 2: srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp); break;
    case 7: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp); break;
    case 8: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp); break;
  }
  policy.rtcp = policy.rtp;
  if (profile == 2) srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
  policy.ssrc.type = direction;
  policy.key = key;
  policy.window_size = 1024;
  srtp_t made;
  if (srtp_create(&made, &policy) != srtp_err_status_ok) exit(3);
  return made;
}

int main(int argc, char **argv) {
  unsigned char key[64] = {0};
  if (argc != 3 || strlen(argv[2]) > 2 * sizeof key) return 2;
  for (size_t i = 0; i < strlen(argv[2]) / 2; i++) {
    unsigned byte;
    sscanf(argv[2] + 2 * i, "%2x", &byte);
    key[i] = (unsigned char)byte;
  }
  if (srtp_init() != srtp_err_status_ok) return 4;
  srtp_t out = session(atoi(argv[1]), key, ssrc_any_outbound);
  srtp_t in = session(atoi(argv[1]), key, ssrc_any_inbound);
  unsigned char head[3];
  static _Alignas(16) unsigned char packet[65536 + 256];
  while (fread(head, 1, 3, stdin) == 3) {
    int length = head[1] << 8 | head[2];
    if (fread(packet, 1, length, stdin) != (size_t)length) return 5;
    srtp_err_status_t status = srtp_err_status_bad_param;
    switch (head[0]) {
      case 'p': status = srtp_protect(out, packet, &length); break;
      case 'u': status = srtp_unprotect(in, packet, &length); break;
      case 'P': status = srtp_protect_rtcp(out, packet, &length); break;
      case 'U': status = srtp_unprotect_rtcp(in, packet, &length); break;
    }
    if (status != srtp_err_status_ok) length = 0;
    unsigned char answer[3] = {(unsigned char)status, (unsigned char)(length >> 8), (unsigned char)length};
    fwrite(answer, 1, 3, stdout);
    fwrite(packet, 1, length, stdout);
    fflush(stdout);
  }
  return 0;
}
