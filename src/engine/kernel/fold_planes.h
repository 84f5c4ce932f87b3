/* fold_planes.h - for fold_body.inc: the planes of a fold as local pointers p0.. (q0.. of the right-hand state), one slot's items as
 * locals s0.. (r0..). P0.. are the C types of the planes; the number in each name is the number of planes. */
#ifndef CR_KERNEL_FOLD_PLANES_H
#define CR_KERNEL_FOLD_PLANES_H

#define OPEN_1(pl, at) P0 *p0 = (P0 *)(pl)[0] + (at);
#define OPEN_2(pl, at) OPEN_1(pl, at) P1 *p1 = (P1 *)(pl)[1] + (at);
#define OPEN_4(pl, at) OPEN_2(pl, at) P2 *p2 = (P2 *)(pl)[2] + (at); P3 *p3 = (P3 *)(pl)[3] + (at);
#define OPEN_RIGHT_1(pl) const P0 *q0 = (pl)[0];
#define OPEN_RIGHT_2(pl) OPEN_RIGHT_1(pl) const P1 *q1 = (pl)[1];
#define OPEN_RIGHT_4(pl) OPEN_RIGHT_2(pl) const P2 *q2 = (pl)[2]; const P3 *q3 = (pl)[3];
#define GET_1(i) P0 s0 = p0[i];
#define GET_2(i) GET_1(i) P1 s1 = p1[i];
#define GET_4(i) GET_2(i) P2 s2 = p2[i]; P3 s3 = p3[i];
#define GET_RIGHT_1(i) const P0 r0 = q0[i];
#define GET_RIGHT_2(i) GET_RIGHT_1(i) const P1 r1 = q1[i];
#define GET_RIGHT_4(i) GET_RIGHT_2(i) const P2 r2 = q2[i]; const P3 r3 = q3[i];
#define PUT_1(i) p0[i] = s0;
#define PUT_2(i) PUT_1(i) p1[i] = s1;
#define PUT_4(i) PUT_2(i) p2[i] = s2; p3[i] = s3;
#define START_1(i) p0[i] = START0;
#define START_2(i) START_1(i) p1[i] = START1;
#define START_4(i) START_2(i) p2[i] = START2; p3[i] = START3;
#define LANES_1 P0 lane0[16];
#define LANES_2 LANES_1 P1 lane1[16];
#define LANES_4 LANES_2 P2 lane2[16]; P3 lane3[16];
#define LANES_LIST_1(at) lane0 + (at)
#define LANES_LIST_2(at) LANES_LIST_1(at), lane1 + (at)
#define LANES_LIST_4(at) LANES_LIST_2(at), lane2 + (at), lane3 + (at)
#define SLOT_LIST_1 p0
#define SLOT_LIST_2 p0, p1
#define SLOT_LIST_4 p0, p1, p2, p3

#endif
