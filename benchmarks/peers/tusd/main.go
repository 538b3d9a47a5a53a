// Command tusd serves tusd's handler on BIND. It keeps uploads in FOLDER or, with S3_ENDPOINT, in
// S3_BUCKET.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/tus/tusd/v2/pkg/filelocker"
	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/s3store"
)

const path = "/api/v1/uploads/"

func main() {
	composer := handler.NewStoreComposer()
	folder := os.Getenv("FOLDER")
	filelocker.New(folder).UseIn(composer)
	if endpoint := os.Getenv("S3_ENDPOINT"); endpoint != "" {
		store := s3store.New(os.Getenv("S3_BUCKET"), s3.New(s3.Options{
			BaseEndpoint: aws.String(endpoint),
			Region:       "us-east-1",
			UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(
				os.Getenv("S3_ACCESS_KEY"), os.Getenv("S3_SECRET_KEY"), ""),
		}))
		store.TemporaryDirectory = folder
		store.UseIn(composer)
	} else {
		filestore.New(folder).UseIn(composer)
	}
	uploads, err := handler.NewHandler(handler.Config{BasePath: path, StoreComposer: composer})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle(path, http.StripPrefix(path, uploads))
	log.Fatal(http.ListenAndServe(os.Getenv("BIND"), nil))
}
