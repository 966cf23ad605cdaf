"""Pictures and pages: what a run learned, with every number's estimator, samples and split."""

from prioria.report.comparison import Comparison as Comparison
from prioria.report.curves import curves as curves
from prioria.report.diagnose import Diagnosis as Diagnosis
from prioria.report.diagnose import diagnose as diagnose
from prioria.report.diagnose import write_diagnosis as write_diagnosis
from prioria.report.evaluation import Evaluation as Evaluation
from prioria.report.findings import Finding as Finding
from prioria.report.latent import latent as latent
from prioria.report.page import compare as compare
from prioria.report.page import report as report
from prioria.report.sheet import sheet as sheet
