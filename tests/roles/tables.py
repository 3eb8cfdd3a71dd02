"""Who may what, to be read by people. Every address and action of the product has its row; the tests say so.

A letter for each kind of staff: S superuser, B Billing administrators, R Reviewers, F Finance, A Auditors, N no group.
Whoever is missing gets 403. People without a password session of staff never get past the sign-in of the admin.
"""

STAFF = "SBRFAN"

# Records in the admin. `look`: list, page, history, old versions. Nobody deletes any of them.
RECORDS = """
                              look    add     change  import  export
auth/group                    S---A-  S-----  S-----  none    none
auth/user                     S---A-  S-----  S-----  none    none
charges/adjustment            SBRFA-  SBR---  ------  SBR---  SBRFA-
charges/allowedfund           SBRFA-  SB-F--  SB-F--  SB-F--  SBRFA-
charges/attributionrule       SBRFA-  SBR---  SBR---  SBR---  SBRFA-
charges/charge                SBRFA-  ------  ------  none    none
charges/correction            SBRFA-  SB----  ------  none    none
charges/creditcampaign        SBRFA-  SBR---  ------  none    none
charges/dispute               SBRFA-  ------  ------  none    none
charges/exchangerate          SBRFA-  SB----  SB----  none    none
charges/focusimport           SBRFA-  ------  ------  SB----  none
charges/fundingaccount        SBRFA-  SB-F--  SB-F--  SB-F--  SBRFA-
charges/fundingsplit          SBRFA-  SB-F--  SB-F--  none    none
charges/importissue           SBRFA-  ------  ------  none    none
charges/principalinvestigator SBRFA-  SBR---  SBR---  SBR---  SBRFA-
charges/project               SBRFA-  SBR---  SBR---  SBR---  SBRFA-
charges/reviewrule            SBRFA-  SB----  SB----  none    none
charges/reviewsettings        SBRFA-  ------  SB----  none    none
charges/source                SBRFA-  SB----  SB----  none    none
charges/sourcewaiver          SBRFA-  SB----  ------  none    none
periods/auditentry            SBRFA-  ------  ------  none    none
periods/billingperiod         SBRFA-  ------  ------  none    none
statements/emaildelivery      SBRFA-  ------  ------  none    none
statements/journal            SBRFA-  ------  ------  none    none
statements/seal               SBRFA-  ------  ------  none    none
statements/statement          SBRFA-  ------  ------  none    none
statements/suppression        SBRFA-  ------  ------  none    none
"""

# Buttons of a record, each a page that asks first
STEPS = """
/admin/charges/adjustment/{pending}/step/approve/                             SB-F--
/admin/charges/adjustment/{pending}/step/attach/                              SBR---
/admin/charges/adjustment/{pending}/step/refuse/                              SB-F--
/admin/charges/adjustment/{pending}/step/withdraw/                            SBR---
/admin/charges/charge/{decided}/step/undo/                                    SBR---
/admin/charges/charge/{held}/step/approve/                                    SBR---
/admin/charges/charge/{held}/step/defer/                                      SBR---
/admin/charges/charge/{held}/step/exclude/                                    SBR---
/admin/charges/charge/{held}/step/reattribute/                                SBR---
/admin/charges/creditcampaign/{a_creditcampaign}/step/approve/                SB-F--
/admin/charges/creditcampaign/{a_creditcampaign}/step/refuse/                 SB-F--
/admin/charges/creditcampaign/{a_creditcampaign}/step/withdraw/               SBR---
/admin/charges/dispute/{dispute}/step/answer/                                 SBR---
/admin/charges/dispute/{dispute}/step/deny/                                   SBR---
/admin/charges/dispute/{dispute}/step/uphold/                                 SBR---
/admin/charges/focusimport/{delivery}/step/discard-rows/                      SBR---
/admin/charges/focusimport/{delivery}/step/reverse/                           SB----
/admin/charges/focusimport/{staged}/step/discard/                             SB----
/admin/charges/fundingaccount/{a_fundingaccount}/step/merge/                  SB-F--
/admin/charges/importissue/{issue}/step/correct/                              SBR---
/admin/charges/importissue/{issue}/step/discard/                              SBR---
/admin/charges/principalinvestigator/{a_principalinvestigator}/step/merge/    SBR---
/admin/charges/project/{a_project}/step/merge/                                SBR---
/admin/charges/reviewsettings/{a_reviewsettings}/step/recheck/                SB----
/admin/periods/billingperiod/{closed}/step/issue/                             SB----
/admin/periods/billingperiod/{closed}/step/reopen/                            SB----
/admin/periods/billingperiod/{exported}/step/acknowledge/                     SB-F--
/admin/periods/billingperiod/{issued}/step/export/                            SB-F--
/admin/periods/billingperiod/{issued}/step/render/                            SB----
/admin/periods/billingperiod/{open}/step/close/                               SB----
/admin/periods/billingperiod/{ready}/step/email/                              SB----
/admin/periods/billingperiod/{ready}/step/finalize/                           SB----
/admin/statements/emaildelivery/{a_emaildelivery}/step/retry/                 SB----
/admin/statements/journal/{journal}/step/acknowledge/                         SB-F--
/admin/statements/journal/{journal}/step/reject/                              SB-F--
/admin/statements/journal/{journal}/step/void/                                SB-F--
/admin/statements/statement/{statement}/step/copy/                            SB----
/admin/statements/statement/{unrendered}/step/render/                         SB----
/admin/statements/statement/{unsent}/step/email/                              SB----
/admin/statements/suppression/{a_suppression}/step/clear/                     SB----
"""

# Actions on a list, with its address and the row. Whoever may not take an action is not offered it.
ACTIONS = """
/admin/charges/charge/                                                              approve           held       SBR---
/admin/charges/charge/?period__id__exact={finalized_month}&review_status__exact=all correct_selected  finalized  SB----
/admin/charges/charge/                                                              defer             held       SBR---
/admin/charges/charge/                                                              exclude           held       SBR---
/admin/charges/charge/                                                              reattribute       held       SBR---
/admin/charges/charge/?review_status__exact=all                                     undo              decided    SBR---
/admin/charges/importissue/                                                         discard           issue      SBR---
/admin/statements/statement/                                                        copy              statement  SB----
/admin/statements/statement/                                                        download          statement  SB----
/admin/statements/statement/                                                        email             unsent     SB----
/admin/statements/statement/                                                        render            unrendered SB----
"""

# Transitions, by the permission that each asks for itself. Those without one are asked about by their stage alone.
TRANSITIONS = """
billingperiod close        SB----
billingperiod finalize     SB----
billingperiod reopen       SB----
dispute       deny         SBR---
dispute       reopen       stage
dispute       uphold       stage
dispute       withdraw     stage
focusimport   discard      SB----
focusimport   keep_late    SB----
focusimport   load         SB----
focusimport   reverse      SB----
journal       acknowledge  SB-F--
journal       export       SB-F--
journal       reject       SB-F--
journal       void         SB-F--
statement     issue        SB----
statement     supersede    SB----
statement     void         SB----
"""

# Everything else in the admin: the answer to those who may, the answer to other staff
OTHERS = """
/admin/                                                                 200  403  SBRFAN
/admin/access/                                                          200  403  S---A-
/admin/access.csv                                                       200  403  S---A-
/admin/auth/                                                            200  404  S---A-
/admin/auth/user/{a_user}/password/                                     200  403  S-----
/admin/autocomplete/?app_label=charges&model_name=charge&field_name=pi  200  403  SBRFA-
/admin/charges/                                                         200  404  SBRFA-
/admin/charges/adjustment/{pending}/file/{letter}/                      200  403  SBRFA-
/admin/charges/charge/{delivered}/delivered/                            200  403  SBRFA-
/admin/charges/correction/add/?charges={finalized}                      200  403  SB----
/admin/charges/dispute/{dispute}/file/{file}/                           200  403  SBRFA-
/admin/charges/dispute/{dispute}/file/{secret}/                         200  403  SBRFA-
/admin/charges/focusimport/{delivery}/file/0/                           200  403  SBRFA-
/admin/charges/focusimport/files/                                       200  403  SB----
/admin/charges/focusimport/files/00000000000000000000000000000000/      404  403  SB----
/admin/charges/reviewrule/test/                                         405  405  SBRFAN
/admin/jsi18n/                                                          200  403  SBRFAN
/admin/nothing/of/the/kind/                                             404  403  SBRFAN
/admin/password_change/                                                 200  403  SBRFAN
/admin/password_change/done/                                            200  403  SBRFAN
/admin/periods/billingperiod/{issued}/accounts.csv                      200  403  SBRFA-
/admin/periods/billingperiod/{issued}/accounts/                         200  403  SBRFA-
/admin/periods/billingperiod/{issued}/reconciliation.csv                200  403  SBRFA-
/admin/periods/billingperiod/{issued}/reconciliation/                   200  403  SBRFA-
/admin/r/1/1/                                                           404  403  SBRFAN
/admin/search/?s=ada                                                    200  403  SBRFAN
/admin/statements/emaildelivery/test/                                   200  403  SB----
/admin/statements/journal/file/{sheet}/                                 200  403  SBRFA-
/admin/statements/statement/{statement}/pdf/                            200  403  SBRFA-
/admin/statements/statement/charge/{charge}/                            200  403  SBRFA-
/admin/statements/statement/line/{line}/                                200  403  SBRFA-
/admin/templates/                                                       200  403  SBRFA-
/admin/templates/journal/preview/                                       200  403  SBRFA-
/admin/templates/nothing/preview/                                       404  403  SBRFA-
"""

# The portal, for: ada, a PI; dora, delegate of her project; grace, another PI; eve, nobody's; the superuser by password
# and by mailed code; anonymous. What begins with `her_` is grace's. A star: something is written;
# in: the way leads to the sign-in.
PORTAL = """
                                                          ada   dora  grace eve   S     S-by-code  anonymous
GET  /                                                    200   200   200   200   200   200   in
GET  /projects/                                           200   200   200   200   200   200   in
GET  /disputes/                                           200   200   200   200   200   200   in
GET  /statements/{number}/                                200   200   404   404   404   404   in
GET  /statements/{number}/pdf/                            200   200   404   404   404   404   in
GET  /statements/{number}/charges/                        200   200   404   404   404   404   in
GET  /statements/{number}/charge/{charge}/                200   200   404   404   404   404   in
GET  /statements/{number}/charge/{her_charge}/            404   404   404   404   404   404   in
GET  /statements/{number}/charge/{undisputed}/dispute/    200   200   404   404   404   404   in
GET  /statements/{number}/charge/{her_charge}/dispute/    404   404   404   404   404   404   in
GET  /statements/{number}/line/{line}/                    200   200   404   404   404   404   in
GET  /statements/{number}/line/{her_line}/                404   404   404   404   404   404   in
GET  /statements/{number}/line/{line}/account/            200   200   404   404   404   404   in
GET  /statements/{number}/line/{her_line}/account/        404   404   404   404   404   404   in
GET  /statements/{number}/line/{line}/dispute/            200   200   404   404   404   404   in
GET  /statements/{number}/line/{her_line}/dispute/        404   404   404   404   404   404   in
GET  /disputes/{dispute}/                                 200   200   404   404   404   404   in
GET  /disputes/{dispute}/file/{file}/                     200   200   404   404   404   404   in
GET  /disputes/{dispute}/file/{secret}/                   404   404   404   404   404   404   in
GET  /disputes/{dispute}/file/{her_file}/                 404   404   404   404   404   404   in
GET  /disputes/{dispute}/message/                         405   405   405   405   405   405   405
GET  /disputes/{dispute}/withdraw/                        405   405   405   405   405   405   405
POST /                                                    405   405   405   405   405   405   405
POST /projects/                                           405   405   405   405   405   405   405
POST /disputes/                                           405   405   405   405   405   405   405
POST /statements/{number}/                                405   405   405   405   405   405   405
POST /statements/{number}/pdf/                            405   405   405   405   405   405   405
POST /statements/{number}/charges/                        405   405   405   405   405   405   405
POST /statements/{number}/charge/{charge}/                405   405   405   405   405   405   405
POST /statements/{number}/line/{line}/                    405   405   405   405   405   405   405
POST /disputes/{dispute}/                                 405   405   405   405   405   405   405
POST /disputes/{dispute}/file/{file}/                     405   405   405   405   405   405   405
POST /statements/{number}/charge/{undisputed}/dispute/    302*  302*  404   404   404   404   in
POST /statements/{number}/charge/{her_charge}/dispute/    404   404   404   404   404   404   in
POST /statements/{number}/line/{line}/dispute/            302*  302*  404   404   404   404   in
POST /statements/{number}/line/{her_line}/dispute/        404   404   404   404   404   404   in
POST /statements/{number}/line/{line}/account/            200*  200*  404   404   404   404   in
POST /statements/{number}/line/{her_line}/account/        404   404   404   404   404   404   in
POST /disputes/{dispute}/message/                         302*  302*  404   404   404   404   in
POST /disputes/{her_dispute}/message/                     404   404   302*  404   404   404   in
POST /disputes/{dispute}/withdraw/                        302*  200   404   404   404   404   in
POST /disputes/{her_dispute}/withdraw/                    404   404   302*  404   404   404   in
GET  /sign-in/                                            302   302   302   302   302   302   200
GET  /sign-in/code/                                       302   302   302   302   302   302   302
GET  /sign-in/login/                                      302   302   302   302   302   302   302
GET  /sign-in/out/                                        200   200   200   200   200   200   302
GET  /admin/login/                                        200   200   200   200   302   200   200
GET  /admin/logout/                                       302   302   302   302   405   302   302
GET  /favicon.ico                                         302   302   302   302   302   302   302
GET  /nothing/of/the/kind/                                404   404   404   404   404   404   404
POST /sign-in/                                            302   302   302   302   302   302   200
POST /sign-in/code/                                       302   302   302   302   302   302   302
POST /admin/logout/                                       302   302   302   302   302   302   302
POST /sign-in/out/                                        302   302   302   302   302   302   302
"""
