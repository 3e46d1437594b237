// What WGSL has and CUDA lacks, for the kernels that cuda.ts rewrites: vectors, arrays as values, half precision in memory,
// builtin functions. Divisions, roots and exponentials are as exact as Vulkan asks, which nvcc's flags choose.
typedef unsigned int u32;
typedef int i32;
typedef float f32;
#define GPU __device__ __forceinline__

namespace wgsl {

template <class T, int N> struct vec;
template <class T> struct alignas(2 * sizeof(T)) vec<T, 2> {
  T x, y;
  vec() = default;
  GPU explicit vec(T v) : x(v), y(v) {}
  GPU vec(T a, T b) : x(a), y(b) {}
  template <class U> GPU explicit vec(const vec<U, 2> &v) : x(T(v.x)), y(T(v.y)) {}
  GPU T &operator[](u32 i) { return (&x)[i]; }
  GPU const T &operator[](u32 i) const { return (&x)[i]; }
  GPU vec<T, 2> yx() const { return vec<T, 2>(y, x); }
};
template <class T> struct vec<T, 3> {
  union { T x, r; };
  union { T y, g; };
  union { T z, b; };
  vec() = default;
  GPU explicit vec(T v) : x(v), y(v), z(v) {}
  GPU vec(T a, T b, T c) : x(a), y(b), z(c) {}
  GPU vec(T a, const vec<T, 2> &v) : x(a), y(v.x), z(v.y) {}
  template <class U> GPU explicit vec(const vec<U, 3> &v) : x(T(v.x)), y(T(v.y)), z(T(v.z)) {}
  GPU T &operator[](u32 i) { return (&x)[i]; }
  GPU const T &operator[](u32 i) const { return (&x)[i]; }
  GPU vec<T, 2> xy() const { return vec<T, 2>(x, y); }
  GPU vec<T, 2> yz() const { return vec<T, 2>(y, z); }
};
template <class T> struct alignas(4 * sizeof(T)) vec<T, 4> {
  T x, y, z, w;
  vec() = default;
  GPU explicit vec(T v) : x(v), y(v), z(v), w(v) {}
  GPU vec(T a, T b, T c, T d) : x(a), y(b), z(c), w(d) {}
  GPU vec(const vec<T, 2> &a, const vec<T, 2> &b) : x(a.x), y(a.y), z(b.x), w(b.y) {}
  template <class U> GPU explicit vec(const vec<U, 4> &v) : x(T(v.x)), y(T(v.y)), z(T(v.z)), w(T(v.w)) {}
  GPU T &operator[](u32 i) { return (&x)[i]; }
  GPU const T &operator[](u32 i) const { return (&x)[i]; }
  GPU vec<T, 2> xy() const { return vec<T, 2>(x, y); }
  GPU vec<T, 2> zw() const { return vec<T, 2>(z, w); }
  GPU vec<T, 3> xyz() const { return vec<T, 3>(x, y, z); }
};

// A float16 in memory: kernels compute in f32, so only conversions are needed.
struct f16 {
  unsigned short bits;
  f16() = default;
  GPU explicit f16(f32 v) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v)); }
  GPU explicit operator f32() const {
    f32 v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(bits));
    return v;
  }
};

typedef vec<f32, 2> vec2f; typedef vec<f32, 3> vec3f; typedef vec<f32, 4> vec4f;
typedef vec<u32, 2> vec2u; typedef vec<u32, 3> vec3u; typedef vec<u32, 4> vec4u;
typedef vec<i32, 2> vec2i; typedef vec<i32, 3> vec3i; typedef vec<i32, 4> vec4i;
typedef vec<f16, 2> vec2h; typedef vec<f16, 4> vec4h;

template <class T, u32 N> struct array {
  T v[N];
  array() = default;
  template <class... A> GPU explicit array(T first, A... rest) : v{first, T(rest)...} {}
  GPU T &operator[](u32 i) { return v[i]; }
  GPU const T &operator[](u32 i) const { return v[i]; }
};

template <class T> struct same { typedef T type; };
#define ARITHMETIC(op) \
  template <class T, int N> GPU vec<T, N> operator op(const vec<T, N> &a, const vec<T, N> &b) { \
    vec<T, N> y; _Pragma("unroll") for (int i = 0; i < N; i++) y[i] = a[i] op b[i]; return y; } \
  template <class T, int N> GPU vec<T, N> operator op(const vec<T, N> &a, typename same<T>::type b) { return a op vec<T, N>(b); } \
  template <class T, int N> GPU vec<T, N> operator op(typename same<T>::type a, const vec<T, N> &b) { return vec<T, N>(a) op b; } \
  template <class T, int N, class B> GPU void operator op##=(vec<T, N> &a, const B &b) { a = a op b; }
ARITHMETIC(+) ARITHMETIC(-) ARITHMETIC(*) ARITHMETIC(/) ARITHMETIC(%)
template <class T, int N> GPU vec<T, N> operator-(const vec<T, N> &a) { return vec<T, N>(T(0)) - a; }
#define COMPARISON(op) \
  template <class T, int N> GPU vec<bool, N> operator op(const vec<T, N> &a, const vec<T, N> &b) { \
    vec<bool, N> y; _Pragma("unroll") for (int i = 0; i < N; i++) y[i] = a[i] op b[i]; return y; }
COMPARISON(<) COMPARISON(<=) COMPARISON(>) COMPARISON(>=) COMPARISON(==) COMPARISON(!=) COMPARISON(&) COMPARISON(|)

template <int N> GPU bool all(const vec<bool, N> &v) {
  bool y = true;
  for (int i = 0; i < N; i++) y = y && v[i];
  return y;
}
template <int N> GPU bool any(const vec<bool, N> &v) {
  bool y = false;
  for (int i = 0; i < N; i++) y = y || v[i];
  return y;
}

// Functions of each element.
#define EACH1(name, value) \
  GPU f32 name(f32 a) { return value; } \
  template <int N> GPU vec<f32, N> name(const vec<f32, N> &v) { \
    vec<f32, N> y; _Pragma("unroll") for (int i = 0; i < N; i++) y[i] = name(v[i]); return y; }
EACH1(floor, ::floorf(a)) EACH1(ceil, ::ceilf(a)) EACH1(fract, a - ::floorf(a)) EACH1(sqrt, ::sqrtf(a))
EACH1(inverseSqrt, ::rsqrtf(a)) EACH1(exp2, ::exp2f(a)) EACH1(exp, ::exp2f(1.4426950408889634f * a)) EACH1(log2, ::log2f(a))
EACH1(log, 0.6931471805599453f * ::log2f(a)) EACH1(sin, ::__sinf(a)) EACH1(cos, ::__cosf(a)) EACH1(tanh, ::tanhf(a))
EACH1(abs, ::fabsf(a)) EACH1(sign, a > 0 ? 1.0f : a < 0 ? -1.0f : 0.0f) EACH1(round, ::rintf(a)) EACH1(trunc, ::truncf(a))
GPU i32 abs(i32 a) { return a < 0 ? -a : a; }
GPU f32 pow(f32 a, f32 b) { return ::exp2f(b * ::log2f(a)); }
template <class A, class B> GPU auto min(A a, B b) -> decltype(a + b) { return a < b ? a : b; }
template <class A, class B> GPU auto max(A a, B b) -> decltype(a + b) { return a > b ? a : b; }
GPU f32 min(f32 a, f32 b) { return ::fminf(a, b); }
GPU f32 max(f32 a, f32 b) { return ::fmaxf(a, b); }
template <class T, int N> GPU vec<T, N> min(const vec<T, N> &a, const vec<T, N> &b) {
  vec<T, N> y;
  for (int i = 0; i < N; i++) y[i] = min(a[i], b[i]);
  return y;
}
template <class T, int N> GPU vec<T, N> max(const vec<T, N> &a, const vec<T, N> &b) {
  vec<T, N> y;
  for (int i = 0; i < N; i++) y[i] = max(a[i], b[i]);
  return y;
}
template <class A, class B, class C> GPU auto clamp(A v, B low, C high) { return min(max(v, low), high); }
GPU f32 fma(f32 a, f32 b, f32 c) { return ::fmaf(a, b, c); }
template <int N> GPU vec<f32, N> fma(const vec<f32, N> &a, const vec<f32, N> &b, const vec<f32, N> &c) {
  vec<f32, N> y;
  for (int i = 0; i < N; i++) y[i] = ::fmaf(a[i], b[i], c[i]);
  return y;
}
template <int N> GPU f32 dot(const vec<f32, N> &a, const vec<f32, N> &b) {
  f32 y = 0.0f;
  for (int i = 0; i < N; i++) y = ::fmaf(a[i], b[i], y);
  return y;
}
template <class T> GPU vec<T, 3> cross(const vec<T, 3> &a, const vec<T, 3> &b) {
  return vec<T, 3>(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}
template <class A, class B> GPU auto select(A a, B b, bool c) { return c ? b : a; }
template <class T, int N> GPU vec<T, N> select(const vec<T, N> &a, const vec<T, N> &b, const vec<bool, N> &c) {
  vec<T, N> y;
  for (int i = 0; i < N; i++) y[i] = c[i] ? b[i] : a[i];
  return y;
}
template <class T, class F> GPU T bitcast(F v) {
  T y;
  __builtin_memcpy(&y, &v, sizeof y);
  return y;
}

// Subgroups of 32 lanes.
template <class T> GPU T subgroupShuffle(T v, u32 lane) { return __shfl_sync(~0u, v, lane); }
template <class T> GPU T subgroupShuffleXor(T v, u32 mask) { return __shfl_xor_sync(~0u, v, mask); }
template <class T> GPU T subgroupBroadcast(T v, u32 lane) { return __shfl_sync(~0u, v, lane); }
template <class T> GPU T subgroupBroadcastFirst(T v) { return __shfl_sync(~0u, v, 0); }
template <class T> GPU T quadSwapX(T v) { return __shfl_xor_sync(~0u, v, 1); }
template <class T> GPU T quadSwapY(T v) { return __shfl_xor_sync(~0u, v, 2); }
template <class T> GPU T quadSwapDiagonal(T v) { return __shfl_xor_sync(~0u, v, 3); }
template <class T> GPU T quadBroadcast(T v, u32 lane) { return __shfl_sync(~0u, v, lane, 4); }
template <int N> GPU vec<f32, N> shuffled(const vec<f32, N> &v, u32 mask) {
  vec<f32, N> y;
  for (int i = 0; i < N; i++) y[i] = __shfl_xor_sync(~0u, v[i], mask);
  return y;
}
template <int N> GPU vec<f32, N> subgroupShuffleXor(const vec<f32, N> &v, u32 mask) { return shuffled(v, mask); }
template <int N> GPU vec<f32, N> quadSwapX(const vec<f32, N> &v) { return shuffled(v, 1); }
template <int N> GPU vec<f32, N> quadSwapY(const vec<f32, N> &v) { return shuffled(v, 2); }
template <class T> GPU T subgroupAdd(T v) {
  for (u32 m = 16; m > 0; m /= 2) v += __shfl_xor_sync(~0u, v, m);
  return v;
}
template <class T> GPU T subgroupMax(T v) {
  for (u32 m = 16; m > 0; m /= 2) v = max(v, __shfl_xor_sync(~0u, v, m));
  return v;
}
template <class T> GPU T subgroupMin(T v) {
  for (u32 m = 16; m > 0; m /= 2) v = min(v, __shfl_xor_sync(~0u, v, m));
  return v;
}
GPU void workgroupBarrier() { __syncthreads(); }
GPU void storageBarrier() { __syncthreads(); }
GPU void subgroupBarrier() { __syncwarp(); }

}  // namespace wgsl
