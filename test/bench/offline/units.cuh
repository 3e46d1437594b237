// Matrix units of subgroups, by CUDA's own name for them: kernels that use them get this after prelude.cuh.
#include <mma.h>

namespace wgsl {

using nvcuda::wmma::row_major;
using nvcuda::wmma::col_major;

// WGSL names the columns first. The third side, which a matrix of operands does not tell, is 16 as the others are.
template <class T, int K, int M> struct subgroup_matrix_left {
  template <class L> using fragment = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, M, 16, K, half, L>;
};
template <class T, int N, int K> struct subgroup_matrix_right {
  template <class L> using fragment = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, N, K, half, L>;
};
template <class T, int N, int M> struct subgroup_matrix_result {
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, M, N, 16, float> of;
  GPU subgroup_matrix_result() { nvcuda::wmma::fill_fragment(of, 0.0f); }
};

template <class Matrix, class Layout, int SIZE>
GPU auto subgroupMatrixLoad(f16 (*memory)[SIZE], u32 offset, u32 stride) {
  typename Matrix::template fragment<Layout> y;
  nvcuda::wmma::load_matrix_sync(y, reinterpret_cast<const half *>(&(*memory)[offset]), stride);
  return y;
}
template <class A, class B, class Sums> GPU Sums subgroupMatrixMultiplyAccumulate(const A &a, const B &b, const Sums &sums) {
  Sums y = sums;
  nvcuda::wmma::mma_sync(y.of, a, b, sums.of);
  return y;
}
template <class Sums> GPU Sums subgroupMatrixScalarMultiply(const Sums &sums, f32 by) {
  Sums y = sums;
  for (int i = 0; i < y.of.num_elements; i++) y.of.x[i] *= by;
  return y;
}
template <class Layout, int SIZE, class Sums>
GPU void subgroupMatrixStore(f32 (*memory)[SIZE], u32 offset, const Sums &sums, u32 stride) {
  nvcuda::wmma::store_matrix_sync(&(*memory)[offset], sums.of, stride, nvcuda::wmma::mem_row_major);
}

// Sums that come back from memory.
template <class Matrix, class Layout, int SIZE>
GPU Matrix subgroupMatrixLoad(f32 (*memory)[SIZE], u32 offset, u32 stride) {
  Matrix y;
  nvcuda::wmma::load_matrix_sync(y.of, &(*memory)[offset], stride, nvcuda::wmma::mem_row_major);
  return y;
}

template <class T> struct atomic { T value; };
template <class T> GPU void atomicStore(atomic<T> *a, T v) { a->value = v; }
template <class T> GPU T atomicLoad(atomic<T> *a) { return *(volatile T *)&a->value; }
template <class T> GPU void atomicMax(atomic<T> *a, T v) { ::atomicMax(&a->value, v); }
template <class T> GPU T workgroupUniformLoad(atomic<T> *a) {
  __syncthreads();
  const T y = atomicLoad(a);
  __syncthreads();
  return y;
}
GPU bool subgroupElect() { return threadIdx.x % 32 == 0; }
template <int N> GPU vec<u32, N> operator&(const vec<u32, N> &a, const vec<u32, N> &b) {
  vec<u32, N> y;
  for (int i = 0; i < N; i++) y[i] = a[i] & b[i];
  return y;
}

}  // namespace wgsl
