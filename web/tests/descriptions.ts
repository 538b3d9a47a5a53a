/** What a browser offers, and what a server answers. */
export const OFFER =
  'v=0\r\nm=video 9 UDP 96\r\na=mid:0\r\na=ice-ufrag:mine\r\na=ice-pwd:secret\r\n';
export const ANSWER =
  'v=0\r\nm=video 9 UDP 96\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=ice-ufrag:old\r\na=ice-pwd:older\r\nm=audio 9 UDP 97\r\na=ice-ufrag:old\r\na=ice-pwd:older\r\n';
