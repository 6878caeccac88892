import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.utilities.npm.NpmPackage;

/**
 * Holds FHIR JSON against the definitions of FHIR R4 or R5, by HAPI FHIR's instance validator, without a network.
 *
 * <p>Usage: {@code Validate r4|r5 [--package PACKAGE.tgz]... FILE...}. A package is an implementation guide's, whose
 * profiles are then asked for, too. For each file a line {@code ok FILE} or {@code wrong FILE}, and one for each
 * issue: {@code severity location message}. Exits with 0 if nothing is wrong, 1 if something is, 2 on wrong usage.
 * An error is wrong, and so is each warning that is not among {@link #EXPECTED}.
 */
public final class Validate {
    /** A warning by the end of its identifier and a part of its text. docs/strangers.md says why each is expected. */
    private record Warning(String id, String part) {
        boolean is(SingleValidationMessage issue) {
            return issue.getMessageId() != null && issue.getMessageId().endsWith(id) && issue.getMessage().contains(part);
        }
    }

    private static final String UNKNOWN_SYSTEM = "Terminology_PassThrough_TX_Message";
    private static final String NO_SUCH_CODING = "Terminology_TX_NoValid_13";
    private static final String NO_SUCH_CONCEPT = "Terminology_TX_NoValid_2_CC";
    private static final String UNKNOWN_PROFILE = "Validation_VAL_Profile_Unknown";
    private static final String BALP = "https://profiles.ihe.net/ITI/BALP/";
    private static final String PCF = "https://profiles.ihe.net/ITI/PCF/";
    private static final String TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/";

    private static final List<Warning> EXPECTED = List.of(
            new Warning("DomainResource#dom-6", "narrative"),
            new Warning(UNKNOWN_SYSTEM, "'http://loinc.org#"),
            new Warning(UNKNOWN_SYSTEM, "'urn:medanchor:fhir:sensitivity#"),
            new Warning(UNKNOWN_SYSTEM, "'" + BALP + "CodeSystem/BasicAuditEntityType#"),
            new Warning(NO_SUCH_CODING, "(" + BALP + "CodeSystem/BasicAuditEntityType#"),
            new Warning(NO_SUCH_CODING, "(urn:medanchor:fhir:sensitivity#"),
            new Warning(NO_SUCH_CODING, "(" + TERMINOLOGY + "v3-ActReason#"),
            new Warning(NO_SUCH_CONCEPT, "= " + TERMINOLOGY + "v3-ActCode#OPTIN)"),
            new Warning(NO_SUCH_CONCEPT, "= " + TERMINOLOGY + "v3-ParticipationType#IRCP)"),
            new Warning(UNKNOWN_PROFILE, BALP + "StructureDefinition/IHE.BasicAudit.PatientRead"),
            new Warning(UNKNOWN_PROFILE, PCF + "StructureDefinition/IHE.PCF.consent"));

    public static void main(String[] arguments) throws IOException {
        Locale.setDefault(Locale.ENGLISH);
        var files = new ArrayList<>(Arrays.asList(arguments));
        FhirContext context = files.isEmpty() ? null : context(files.remove(0));
        var packages = new ArrayList<String>();
        while (files.size() > 1 && files.get(0).equals("--package")) {
            files.remove(0);
            packages.add(files.remove(0));
        }
        if (context == null || files.isEmpty()) {
            System.err.println("usage: Validate r4|r5 [--package PACKAGE.tgz]... FILE...");
            System.exit(2);
        }
        FhirValidator validator = validator(context, packages);
        boolean right = true;
        for (String file : files) {
            right &= judge(validator, file);
        }
        System.exit(right ? 0 : 1);
    }

    private static FhirContext context(String release) {
        return switch (release) {
            case "r4" -> FhirContext.forR4();
            case "r5" -> FhirContext.forR5();
            default -> null;
        };
    }

    private static FhirValidator validator(FhirContext context, List<String> packages) throws IOException {
        var guides = new PrePopulatedValidationSupport(context);
        for (String file : packages) {
            NpmPackage guide = NpmPackage.fromPackage(Files.newInputStream(Path.of(file)));
            for (String name : guide.listResources("StructureDefinition", "ValueSet", "CodeSystem")) {
                guides.addResource(context.newJsonParser().parseResource(guide.loadResource(name)));
            }
        }
        var chain = new ValidationSupportChain(
                guides,
                new DefaultProfileValidationSupport(context),
                new CommonCodeSystemsTerminologyService(context),
                new InMemoryTerminologyServerValidationSupport(context),
                new SnapshotGeneratingValidationSupport(context));
        var validator = new FhirInstanceValidator(chain);
        // Any other extension that has no definition is an error.
        validator.setAnyExtensionsAllowed(false);
        validator.setErrorForUnknownProfiles(false);
        validator.setCustomExtensionDomains("urn:medanchor:fhir:");
        return context.newValidator().registerValidatorModule(validator);
    }

    private static boolean judge(FhirValidator validator, String file) throws IOException {
        List<SingleValidationMessage> issues =
                validator.validateWithResult(Files.readString(Path.of(file))).getMessages();
        boolean right = issues.stream().noneMatch(Validate::isWrong);
        System.out.println((right ? "ok " : "wrong ") + file);
        for (SingleValidationMessage issue : issues) {
            String severity = isExpected(issue) ? "expected" : issue.getSeverity().getCode();
            System.out.printf("%s %s %s%n", severity, issue.getLocationString(), issue.getMessage().replace('\n', ' '));
        }
        return right;
    }

    private static boolean isWrong(SingleValidationMessage issue) {
        return issue.getSeverity() != ResultSeverityEnum.INFORMATION && !isExpected(issue);
    }

    private static boolean isExpected(SingleValidationMessage issue) {
        return issue.getSeverity() == ResultSeverityEnum.WARNING && EXPECTED.stream().anyMatch(one -> one.is(issue));
    }

    private Validate() {}
}
