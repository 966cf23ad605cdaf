"""Pictures and pages: what a run learned, with every number's estimator, samples and split."""

from prioria.report.clouds import latent as latent
from prioria.report.comparison import Comparison as Comparison
from prioria.report.diagnosis import Diagnosis as Diagnosis
from prioria.report.diagnosis import diagnose as diagnose
from prioria.report.diagnosis import write_diagnosis as write_diagnosis
from prioria.report.evaluation import Evaluation as Evaluation
from prioria.report.findings import Finding as Finding
from prioria.report.history import curves as curves
from prioria.report.overview import sheet as sheet
from prioria.report.page import compare as compare
from prioria.report.page import report as report
