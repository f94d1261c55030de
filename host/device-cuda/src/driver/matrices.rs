//! Matrix products of cublasLt, with the algorithm of each shape asked for once.
#![expect(unsafe_code, reason = "calls of NVIDIA's matrix library")]

use std::collections::HashMap;
use std::ffi::c_void;

use cudarc::cublaslt::{result, sys};
use cudarc::driver::sys::CUstream;
use parking_lot::Mutex;
use scorehost_core::DType;

use crate::CudaError;
use scorehost_plan::launch::{Gemm, GemmShape, Place};

/// The library's handle, and the algorithms found.
pub(super) struct Library {
    handle: sys::cublasLtHandle_t,
    algorithms: Mutex<HashMap<Key, sys::cublasLtMatmulAlgo_t>>,
}

/// What decides which algorithm fits: the shape, what is done to the result, and how the operands are aligned.
type Key = (GemmShape, bool, bool, bool, [u32; 4]);

// SAFETY: the library's handle may be used by any thread.
unsafe impl Send for Library {}
// SAFETY: see above.
unsafe impl Sync for Library {}

/// Memory that an algorithm may use while it runs.
#[derive(Clone, Copy)]
pub(super) struct Scratch {
    pub(super) address: u64,
    pub(super) bytes: usize,
}

fn failed(call: &'static str) -> impl Fn(result::CublasError) -> CudaError {
    move |error| CudaError::Call { call, reason: format!("{:?}", error.0) }
}

const fn stored(dtype: DType) -> sys::cudaDataType {
    match dtype {
        DType::F16 => sys::cudaDataType::CUDA_R_16F,
        DType::BF16 => sys::cudaDataType::CUDA_R_16BF,
        _ => sys::cudaDataType::CUDA_R_32F,
    }
}

/// The largest power of two up to 256 that divides an address.
const fn alignment(address: u64) -> u32 {
    1 << if address == 0 {
        8
    } else {
        let zeros = address.trailing_zeros();
        if zeros > 8 { 8 } else { zeros }
    }
}

/// Descriptions of one product, destroyed together.
struct Description {
    operation: sys::cublasLtMatmulDesc_t,
    matrices: Vec<sys::cublasLtMatrixLayout_t>,
    preference: Option<sys::cublasLtMatmulPreference_t>,
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: each was created by the library and is destroyed once.
        unsafe {
            for matrix in &self.matrices {
                let _ = result::destroy_matrix_layout(*matrix);
            }
            if let Some(preference) = self.preference {
                let _ = result::destroy_matmul_pref(preference);
            }
            let _ = result::destroy_matmul_desc(self.operation);
        }
    }
}

impl Description {
    fn new(shape: &GemmShape) -> Result<Self, CudaError> {
        let compute = if shape.tf32 && shape.dtype == DType::F32 {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32
        } else {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F
        };
        let operation = result::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F)
            .map_err(failed("cublasLtMatmulDescCreate"))?;
        let mut description = Self { operation, matrices: Vec::new(), preference: None };
        // The library's matrices are column-major: the row-major product is its transpose, with the operands changed over.
        let [a, b] = shape.turned;
        description.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA, &i32::from(b))?;
        description.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSB, &i32::from(a))?;
        let flip = |turned: bool, rows: u64, columns: u64| if turned { (columns, rows) } else { (rows, columns) };
        description.matrix(shape, flip(b, shape.columns, shape.depth), 1)?;
        description.matrix(shape, flip(a, shape.depth, shape.rows), 0)?;
        description.matrix(shape, (shape.columns, shape.rows), 2)?;
        Ok(description)
    }

    fn set<T>(&self, attribute: sys::cublasLtMatmulDescAttributes_t, value: &T) -> Result<(), CudaError> {
        // SAFETY: the description is alive; the library copies the value.
        unsafe {
            result::set_matmul_desc_attribute(
                self.operation,
                attribute,
                std::ptr::from_ref(value).cast(),
                size_of::<T>(),
            )
        }
        .map_err(failed("cublasLtMatmulDescSetAttribute"))
    }

    fn matrix(&mut self, shape: &GemmShape, (rows, columns): (u64, u64), which: usize) -> Result<(), CudaError> {
        let matrix = result::create_matrix_layout(stored(shape.dtype), rows, columns, shape.pitch[which])
            .map_err(failed("cublasLtMatrixLayoutCreate"))?;
        self.matrices.push(matrix);
        if shape.batch > 1 {
            use sys::cublasLtMatrixLayoutAttribute_t as Attribute;
            let (count, step) = (shape.batch as i32, shape.step[which]);
            // SAFETY: the layout is alive; the library copies the values.
            unsafe {
                let count = std::ptr::from_ref(&count).cast();
                result::set_matrix_layout_attribute(matrix, Attribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count, 4)
                    .map_err(failed("cublasLtMatrixLayoutSetAttribute"))?;
                let step = std::ptr::from_ref(&step).cast();
                result::set_matrix_layout_attribute(
                    matrix,
                    Attribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                    step,
                    8,
                )
                .map_err(failed("cublasLtMatrixLayoutSetAttribute"))?;
            }
        }
        Ok(())
    }

    fn prefer(&mut self, alignments: &[u32; 4], scratch: usize) -> Result<sys::cublasLtMatmulPreference_t, CudaError> {
        use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
        let preference = result::create_matmul_pref().map_err(failed("cublasLtMatmulPreferenceCreate"))?;
        self.preference = Some(preference);
        let set = |attribute, value: *const c_void, bytes| {
            // SAFETY: the preference is alive; the library copies the value.
            unsafe { result::set_matmul_pref_attribute(preference, attribute, value, bytes) }
                .map_err(failed("cublasLtMatmulPreferenceSetAttribute"))
        };
        set(
            Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            std::ptr::from_ref(&scratch).cast(),
            size_of::<usize>(),
        )?;
        let each = [
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ];
        for (attribute, value) in each.into_iter().zip(alignments) {
            set(attribute, std::ptr::from_ref(value).cast(), 4)?;
        }
        Ok(preference)
    }
}

impl Library {
    pub(super) fn open() -> Result<Self, CudaError> {
        let handle = result::create_handle().map_err(failed("cublasLtCreate"))?;
        Ok(Self { handle, algorithms: Mutex::default() })
    }

    /// Queues a product.
    pub(super) fn multiply(
        &self,
        gemm: &Gemm,
        address: &dyn Fn(&Place) -> Option<u64>,
        scratch: Scratch,
        stream: CUstream,
    ) -> Result<(), CudaError> {
        let unknown = || CudaError::Call {
            call: "cublasLtMatmul",
            reason: "a place of the plan is not on the device".to_owned(),
        };
        let at = |place: &Place| address(place).ok_or_else(unknown);
        let (a, b, d) = (at(&gemm.a)?, at(&gemm.b)?, at(&gemm.d)?);
        let c = gemm.residual.as_ref().map(at).transpose()?.unwrap_or(d);
        let mut description = Description::new(&gemm.shape)?;
        use sys::cublasLtEpilogue_t as Epilogue;
        let epilogue = match (gemm.bias.is_some(), gemm.relu) {
            (false, false) => Epilogue::CUBLASLT_EPILOGUE_DEFAULT,
            (false, true) => Epilogue::CUBLASLT_EPILOGUE_RELU,
            (true, false) => Epilogue::CUBLASLT_EPILOGUE_BIAS,
            (true, true) => Epilogue::CUBLASLT_EPILOGUE_RELU_BIAS,
        };
        description.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_EPILOGUE, &(epilogue as u32))?;
        if let Some(bias) = &gemm.bias {
            description.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &at(bias)?)?;
        }
        let alignments = [alignment(b), alignment(a), alignment(c), alignment(d)];
        let key = (gemm.shape, gemm.bias.is_some(), gemm.relu, gemm.residual.is_some(), alignments);
        let algorithm = self.algorithm(key, &mut description, &alignments, scratch.bytes)?;
        let beta: f32 = if gemm.residual.is_some() { 1.0 } else { 0.0 };
        let pointer = |address: u64| address as *const c_void;
        let [first, second, result_layout] = description.matrices[..] else { return Err(unknown()) };
        // SAFETY: descriptions are alive during the call; all addresses are of live allocations as long as their layouts say.
        unsafe {
            result::matmul(
                self.handle,
                description.operation,
                std::ptr::from_ref(&gemm.alpha).cast(),
                std::ptr::from_ref(&beta).cast(),
                pointer(b),
                first,
                pointer(a),
                second,
                pointer(c),
                result_layout,
                d as *mut c_void,
                result_layout,
                &raw const algorithm,
                scratch.address as *mut c_void,
                scratch.bytes,
                stream.cast(),
            )
        }
        .map_err(failed("cublasLtMatmul"))
    }

    fn algorithm(
        &self,
        key: Key,
        description: &mut Description,
        alignments: &[u32; 4],
        scratch: usize,
    ) -> Result<sys::cublasLtMatmulAlgo_t, CudaError> {
        if let Some(algorithm) = self.algorithms.lock().get(&key) {
            return Ok(*algorithm);
        }
        let preference = description.prefer(alignments, scratch)?;
        let [a, b, d] = description.matrices[..] else {
            return Err(failed("cublasLtMatmul")(result::CublasError(
                sys::cublasStatus_t::CUBLAS_STATUS_INVALID_VALUE,
            )));
        };
        // SAFETY: all descriptions are alive.
        let found =
            unsafe { result::get_matmul_algo_heuristic(self.handle, description.operation, a, b, d, d, preference) }
                .map_err(failed("cublasLtMatmulAlgoGetHeuristic"))?;
        self.algorithms.lock().insert(key, found.algo);
        Ok(found.algo)
    }
}
