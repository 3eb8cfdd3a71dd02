from charges.models.adjustment import Adjustment, AdjustmentAttachment
from charges.models.campaign import CreditCampaign
from charges.models.charge import Charge
from charges.models.correction import Correction
from charges.models.dispute import Dispute, DisputeAttachment, DisputeMessage
from charges.models.focus_import import FocusImport, ImportIssue, ImportScope, ReceivedFile
from charges.models.payers import FundingAccount, PIAddress, PrincipalInvestigator, Project, ProjectDelegate
from charges.models.reviewing import AllowedFund, ReviewSettings
from charges.models.rules import AttributionRule, ExchangeRate, FundingShare, FundingSplit, ReviewRule
from charges.models.source import Source, SourceWaiver

__all__ = [
    "Adjustment",
    "AdjustmentAttachment",
    "AllowedFund",
    "AttributionRule",
    "Charge",
    "Correction",
    "CreditCampaign",
    "Dispute",
    "DisputeAttachment",
    "DisputeMessage",
    "ExchangeRate",
    "FocusImport",
    "FundingAccount",
    "FundingShare",
    "FundingSplit",
    "ImportIssue",
    "ImportScope",
    "PIAddress",
    "PrincipalInvestigator",
    "Project",
    "ProjectDelegate",
    "ReceivedFile",
    "ReviewRule",
    "ReviewSettings",
    "Source",
    "SourceWaiver",
]
