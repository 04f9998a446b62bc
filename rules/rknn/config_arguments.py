"""What the calls of both toolkits take: arguments by call, and what became of those that only the other one has.

Sources: the signatures of rknn.api.RKNN in rknn-toolkit2 2.5.0 (measured); the user guides of rknn-toolkit 1.6 and
1.7.5 and Rockchip's page on the differences between the two (documented).
"""

from __future__ import annotations

from collections.abc import Mapping

Arguments = Mapping[str, frozenset[str]]
"""Argument names by call: ``config``, ``load_onnx``, ``build``, ..."""

_NORMALIZATION = "mean_values std_values"

TOOLKIT_2: Arguments = {
    call: frozenset(words.split())
    for call, words in {
        "config": f"{_NORMALIZATION} quantized_dtype quantized_algorithm quantized_method quantized_hybrid_level "
        "target_platform quant_img_RGB2BGR float_dtype optimization_level custom_string remove_weight "
        "compress_weight inputs_yuv_fmt single_core_mode dynamic_input model_pruning op_target quantize_weight "
        "remove_reshape sparse_infer mini_rknn enable_flash_attention auto_hybrid_cos_thresh auto_hybrid_euc_thresh "
        "memory_plan_strategy compute_order compiler_control_file disable_rules output_optimize stream_op",
        "load_caffe": "model blobs input_name",
        "load_darknet": "model weight",
        "load_onnx": "model inputs input_size_list input_initial_val outputs",
        "load_pytorch": "model input_size_list",
        "load_rknn": "path",
        "load_tensorflow": "tf_pb inputs input_size_list outputs input_is_nchw",
        "load_tflite": "model input_is_nchw",
        "build": "do_quantization dataset rknn_batch_size auto_hybrid",
        "export_rknn": "export_path",
        "init_runtime": "target device_id perf_debug eval_mem async_mode core_mask fallback_prior_device",
        "inference": "inputs data_format inputs_pass_through get_frame_id",
        "eval_perf": "is_print fix_freq",
        "eval_memory": "is_print",
        "accuracy_analysis": "inputs output_dir target device_id",
        "hybrid_quantization_step1": "dataset rknn_batch_size proposal proposal_dataset_size custom_hybrid",
        "hybrid_quantization_step2": "model_input data_input model_quantization_cfg",
    }.items()
}

TOOLKIT_1: Arguments = {
    call: frozenset(words.split())
    for call, words in {
        "config": f"{_NORMALIZATION} channel_mean_value reorder_channel need_horizontal_merge batch_size epochs "
        "quantized_dtype quantized_algorithm mmse_epoch optimization_level target_platform quantize_input_node "
        "merge_dequant_layer_and_output_node force_builtin_perm model_pruning output_optimize do_sparse_network",
        "load_caffe": "model proto blobs",
        "load_darknet": "model weight",
        "load_keras": "model convert_engine",
        "load_mxnet": "symbol params input_size_list",
        "load_onnx": "model inputs input_size_list outputs",
        "load_pytorch": "model input_size_list convert_engine",
        "load_rknn": "path load_model_in_npu",
        "load_tensorflow": f"tf_pb inputs outputs input_size_list predef_file {_NORMALIZATION}",
        "load_tflite": "model",
        "build": "do_quantization dataset pre_compile rknn_batch_size",
        "direct_build": "dataset",
        "export_rknn": "export_path",
        "export_rknn_precompile_model": "export_path",
        "init_runtime": "target device_id perf_debug eval_mem async_mode rknn2precompile",
        "inference": "inputs data_type data_format outputs get_frame_id inputs_pass_through",
        "eval_perf": "inputs data_type data_format is_print loop_cnt",
        "eval_memory": "is_print",
        "accuracy_analysis": "inputs output_dir calc_qnt_error target device_id",
        "hybrid_quantization_step1": "dataset",
        "hybrid_quantization_step2": "model_input data_input model_quantization_cfg dataset pre_compile",
        "register_op": "op_path",
    }.items()
}

_GONE = "take it out"
REPLACED_IN_2: Mapping[tuple[str, str], str] = {
    ("config", "channel_mean_value"): "mean_values and std_values take its place",
    ("config", "mean_value"): "it is called mean_values",
    ("config", "std_value"): "it is called std_values",
    ("config", "reorder_channel"): "quant_img_RGB2BGR takes its place",
    ("config", "need_horizontal_merge"): f"{_GONE}: layers are merged without being asked",
    ("config", "batch_size"): f"{_GONE}: calibration reads every line of the dataset, one at a time",
    ("config", "epochs"): f"{_GONE}: calibration reads every line of the dataset once",
    ("config", "mmse_epoch"): f"{_GONE}: quantized_algorithm 'mmse' has no such setting",
    ("config", "quantize_input_node"): _GONE,
    ("config", "merge_dequant_layer_and_output_node"): f"{_GONE}: ask for float or int8 outputs on the board",
    ("config", "force_builtin_perm"): f"{_GONE}: the input's layout is asked for on the board",
    ("config", "do_sparse_network"): "sparse_infer takes its place",
    ("config", "do_quantization"): "it is an argument of build",
    ("config", "dataset"): "it is an argument of build",
    ("build", "pre_compile"): f"{_GONE}: every model is compiled for its chip",
    ("build", "batch_size"): "rknn_batch_size is the batch of the model",
    ("load_caffe", "proto"): f"{_GONE}: the prototxt is recognised",
    ("load_tensorflow", "predef_file"): _GONE,
    ("load_tensorflow", "mean_values"): "it is an argument of config",
    ("load_tensorflow", "std_values"): "it is an argument of config",
    ("load_rknn", "load_model_in_npu"): _GONE,
    ("init_runtime", "rknn2precompile"): f"{_GONE}: every model is compiled for its chip",
    ("inference", "data_type"): f"{_GONE}: the type of the arrays counts",
    ("inference", "outputs"): f"{_GONE}: all outputs are returned",
    ("eval_perf", "inputs"): f"{_GONE}: timing runs on data of its own",
    ("eval_perf", "data_type"): f"{_GONE}: timing runs on data of its own",
    ("eval_perf", "data_format"): f"{_GONE}: timing runs on data of its own",
    ("eval_perf", "loop_cnt"): _GONE,
    ("load_keras", ""): "export the model to ONNX or TFLite",
    ("load_mxnet", ""): "export the model to ONNX",
    ("direct_build", ""): "call build",
    ("export_rknn_precompile_model", ""): "export_rknn writes a compiled model",
    ("register_op", ""): "reg_custom_op takes its place",
}
"""By call and argument of toolkit 1 (or a usual slip); the argument is empty for calls that are no more."""

REPLACED_IN_1: Mapping[tuple[str, str], str] = {
    ("config", "mean_value"): "it is called mean_values",
    ("config", "std_value"): "it is called std_values",
    ("config", "quant_img_RGB2BGR"): "reorder_channel: '2 1 0' takes its place",
    ("config", "do_quantization"): "it is an argument of build",
    ("config", "dataset"): "it is an argument of build",
    ("config", "sparse_infer"): "do_sparse_network takes its place",
}
"""The same for arguments of toolkit 2; those that are not here have no counterpart."""

DTYPES_IN_2: Mapping[str, str] = {
    "asymmetric_quantized-u8": "w8a8",
    "asymmetric_affine-u8": "w8a8",
    "dynamic_fixed_point-8": "w8a8",
    "dynamic_fixed_point-i8": "w8a8",
    "dynamic_fixed_point-16": "w16a16i_dfp",
    "dynamic_fixed_point-i16": "w16a16i_dfp",
    "asymmetric_quantized-16": "w16a16i_dfp",
    "w16a16i": "w16a16i_dfp",
    "int8": "w8a8",
    "i8": "w8a8",
    "u8": "w8a8",
}
"""What a type of toolkit 1 is called in toolkit 2, as far as there is such a thing."""

FORMER_DTYPES: Mapping[str, str] = {
    "asymmetric_quantized-u8": "asymmetric_affine-u8",
    "dynamic_fixed_point-8": "dynamic_fixed_point-i8",
    "dynamic_fixed_point-16": "dynamic_fixed_point-i16",
}
"""What types of toolkit 1.6 are called in 1.7."""
