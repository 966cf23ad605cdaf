"""What comes out of the decoder: reconstructions, samples, paths and codes."""

from prioria.evaluate.output.errors import Reconstruction, reconstruction
from prioria.evaluate.output.extractor import Classifier, Extractor, InceptionFeatures, fit_classifier
from prioria.evaluate.output.fidelity import Fidelity, Synthetic, synthetic
from prioria.evaluate.output.frechet import ImageDistance, fid, fid_floor, generated_images, kid
from prioria.evaluate.output.holes import ColumnErrors, Imputation, imputation
from prioria.evaluate.output.jumps import Smoothness, smoothness
from prioria.evaluate.output.retrieval import Retrieval, retrieval_precision

__all__ = [
    "Classifier",
    "ColumnErrors",
    "Extractor",
    "Fidelity",
    "ImageDistance",
    "Imputation",
    "InceptionFeatures",
    "Reconstruction",
    "Retrieval",
    "Smoothness",
    "Synthetic",
    "fid",
    "fid_floor",
    "fit_classifier",
    "generated_images",
    "imputation",
    "kid",
    "reconstruction",
    "retrieval_precision",
    "smoothness",
    "synthetic",
]
