namespace RbdReplication.Core;

/// <summary>What has to be done about one volume's reservation.</summary>
public abstract record ReservationPlan
{
    private ReservationPlan()
    {
    }

    /// <summary>Everything is as it should be.</summary>
    public sealed record UpToDate : ReservationPlan;

    /// <summary>There is no image yet; nothing is written before there is.</summary>
    /// <param name="ImageName">The name it will have.</param>
    public sealed record ImageMissing(string ImageName) : ReservationPlan;

    /// <summary>An entry belongs to another volume: a person has to decide, and nothing is written.</summary>
    /// <param name="Kind">What belongs to the other one.</param>
    /// <param name="Problem">Names both sides.</param>
    /// <param name="WayOut">What that person can do, with the commands.</param>
    /// <param name="Recorded">What is recorded in place of what the volume needs.</param>
    public sealed record Conflict(ConflictKind Kind, string Problem, string WayOut, string Recorded) : ReservationPlan;

    /// <summary>
    /// The directory's key names another volume or pool. It is taken over if nothing is left of that volume, else it is a
    /// conflict.
    /// </summary>
    /// <param name="Uuid">The other volume.</param>
    /// <param name="PoolId">Its pool.</param>
    /// <param name="IfStale">What to write if nothing is left of it.</param>
    public sealed record CheckOther(string Uuid, long PoolId, Write IfStale) : ReservationPlan;

    /// <summary>Entries to write: first to the volume's object, then to the directory.</summary>
    public sealed record Write : ReservationPlan
    {
        /// <summary>Whether the object has to be there already; otherwise it must not be.</summary>
        public required bool ObjectExists { get; init; }

        /// <summary>The request name in the object on which the plan rests; empty if there was none.</summary>
        public required string ExpectedRequestName { get; init; }

        /// <summary>Entries of the object to set.</summary>
        public required IReadOnlyDictionary<string, string> ObjectKeys { get; init; }

        /// <summary>The directory value to set; null if it is right already.</summary>
        public string? DirectoryValue { get; init; }

        /// <summary>The directory value on which the plan rests; empty if there was none.</summary>
        public string ExpectedDirectoryValue { get; init; } = "";

        /// <summary>Whether nothing at all was there before.</summary>
        public bool IsNew => !ObjectExists && ExpectedDirectoryValue.Length == 0;
    }

    /// <summary>Decides, from values alone.</summary>
    /// <param name="reservation">What should be.</param>
    /// <param name="state">What is.</param>
    /// <param name="where">The objects that hold it.</param>
    public static ReservationPlan For(Reservation reservation, ReservationState state, JournalObjects where)
    {
        ArgumentNullException.ThrowIfNull(reservation);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(where);
        var (imagePoolId, journalPoolId) = (where.ImagePoolId, where.JournalPoolId);
        if (FindConflict(reservation, state, where) is { } conflict)
            return conflict;
        var imageName = state.Recorded(JournalKeys.ImageName) ?? reservation.ImageName;
        if (state.ImageId is null)
            return new ImageMissing(imageName);

        var keys = KeysToSet(reservation, state, imageName, imagePoolId, journalPoolId);
        var value = JournalKeys.DirectoryValue(reservation.Uuid, imagePoolId, journalPoolId);
        var (listedUuid, listedPool) = (reservation.Uuid, imagePoolId);
        if (state.DirectoryValue is { Length: > 0 } listed)
            JournalKeys.TryParseDirectoryValue(listed, journalPoolId, out listedUuid, out listedPool);
        var pointsHere = listedUuid == reservation.Uuid && listedPool == imagePoolId;
        var isListed = pointsHere && state.DirectoryValue is { Length: > 0 };
        if (keys.Count == 0 && isListed)
            return new UpToDate();
        var write = new Write
        {
            ObjectExists = state.ObjectKeys is not null,
            ExpectedRequestName = state.RecordedRequestName ?? "",
            ObjectKeys = keys,
            DirectoryValue = isListed ? null : value,
            ExpectedDirectoryValue = state.DirectoryValue ?? "",
        };
        return pointsHere ? write : new CheckOther(listedUuid, listedPool, write);
    }

    private static Dictionary<string, string> KeysToSet(
        Reservation reservation, ReservationState state, string imageName, long imagePoolId, long journalPoolId)
    {
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        void Want(string key, string? value)
        {
            if (value is not null && !(state.ObjectKeys?.TryGetValue(key, out var recorded) == true && recorded == value))
                keys[key] = value;
        }

        Want(JournalKeys.RequestName, reservation.RequestName);
        Want(JournalKeys.ImageName, imageName);
        Want(JournalKeys.ImageId, state.ImageId);
        Want(JournalKeys.Owner, reservation.Owner);
        Want(JournalKeys.EncryptionKms, reservation.EncryptionKms);
        if (reservation.EncryptionKms is not null)
            Want(JournalKeys.EncryptionType, reservation.EncryptionType ?? "");
        if (imagePoolId != journalPoolId)
            Want(JournalKeys.JournalPool, JournalKeys.PoolText(journalPoolId));
        return keys;
    }

    private static Conflict? FindConflict(Reservation reservation, ReservationState state, JournalObjects where)
    {
        var objectName = JournalKeys.VolumeObject(reservation.Uuid);
        if (state.DirectoryValue is { Length: > 0 } listed && !JournalKeys.TryParseDirectoryValue(listed, where.JournalPoolId, out _, out _))
        {
            return new(
                ConflictKind.EntryIsUnreadable,
                $"the directory entry of {reservation.RequestName} is '{listed}', which is no volume's uuid",
                $"Remove it, and it is made again: {where.RemoveFromDirectory(reservation.RequestName)}",
                listed);
        }
        if (state.RecordedRequestName is { } recorded && recorded != reservation.RequestName)
        {
            return new(
                ConflictKind.UuidIsTaken,
                $"{objectName} belongs to PV {recorded}, not to {reservation.RequestName}",
                $"Restore the volume as PV {recorded}; or, if no PV of that name uses it at this site any more, hand it over: {where.RemoveRequestName(reservation.Uuid)} && {where.RemoveFromDirectory(recorded)}",
                recorded);
        }
        if (reservation.IsImageKnown && state.Recorded(JournalKeys.ImageName) is { } image && image != reservation.ImageName)
            return new(ConflictKind.ImageDiffers, $"{objectName} names image {image}, not {reservation.ImageName}", "give this image a name with another uuid: rbd rename", image);
        // Without a request name the object was left by a crash, or by a call that came too early: what else it says is
        // completed and not judged.
        if (state.RecordedRequestName is null)
            return null;
        if (state.Recorded(JournalKeys.EncryptionKms) is var kms && kms != reservation.EncryptionKms)
            return Differs($"{objectName} records {Encryption(kms)}, and PV {reservation.RequestName} says {Encryption(reservation.EncryptionKms)}", "encrypted and encryptionKMSID", kms ?? "");
        if (state.Recorded(JournalKeys.EncryptionType) is { } type && reservation.EncryptionKms is not null && type != reservation.EncryptionType)
            return Differs($"{objectName} records encryption type {type}, and PV {reservation.RequestName} says {reservation.EncryptionType ?? "none"}", "encryptionType", type);
        var wanted = where.ImagePoolId == where.JournalPoolId ? null : JournalKeys.PoolText(where.JournalPoolId);
        if (state.Recorded(JournalKeys.JournalPool) is { } pool && pool != (wanted ?? JournalKeys.PoolText(where.ImagePoolId)))
            return Differs($"{objectName} records journal pool {pool}, and PV {reservation.RequestName} says {wanted ?? JournalKeys.PoolText(where.ImagePoolId)}", "journalPool", pool);
        return null;
    }

    private static Conflict Differs(string problem, string attributes, string recorded) => new(
        ConflictKind.AttributesDiffer, problem,
        $"Delete the PV, whose reclaim policy has to be Retain, and restore it with the {attributes} in its volumeAttributes that the volume was made with", recorded);

    private static string Encryption(string? kms) => kms is null ? "no encryption" : $"encryption with KMS {kms}";
}
